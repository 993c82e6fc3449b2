"""How this machine's programs reach the services."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from hack.cluster.state import ClusterState
from hack.services import credentials
from hack.services.connect import connect
from hack.services.errors import ServiceError
from tests.hack.programs import Program


def cluster(folder: Path) -> ClusterState:
    """One whose programs lie in the folder."""
    return ClusterState(folder / "kubeconfig", "there", "", folder, "local", "")


def test_addresses_are_the_services_and_accounts_the_secrets(tmp_path: Path) -> None:
    """No password stands where a person or a log would see it."""
    account = credentials.draw()
    data = {name: base64.b64encode(value.encode()).decode() for name, value in account.as_data().items()}
    Program(tmp_path, "kubectl", says=json.dumps({"data": data, "spec": {"clusterIP": "10.0.0.7"}}))
    found = connect(cluster(tmp_path))
    assert found.operator_dsn == f"postgresql://trainyard_operator:{account.operator_password}@10.0.0.7:5432/trainyard"
    assert (found.endpoint, found.access_key) == ("http://10.0.0.7:7070", account.access_key)
    assert account.operator_password not in repr(found)
    assert account.secret_key not in repr(found)


def test_services_that_are_not_up_are_said_to_be_so(tmp_path: Path) -> None:
    """With the command that brings them up."""
    Program(tmp_path, "kubectl", says="")
    with pytest.raises(ServiceError, match=r"not up; run python -m hack\.services up"):
        connect(cluster(tmp_path))

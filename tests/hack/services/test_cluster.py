"""What the services ask of the cluster."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from hack.cluster import state
from hack.kubectl import Kubectl
from hack.services.cluster import secret, the_cluster
from hack.services.errors import ServiceError
from tests.hack.programs import Program


def test_the_cluster_is_the_one_that_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one there is an error that says how to get one."""
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path))
    with pytest.raises(ServiceError, match="run make cluster-up first"):
        the_cluster()
    made = state.ClusterState(tmp_path / "kubeconfig", "there", "", tmp_path, "local", "")
    state.save(made)
    assert the_cluster().cluster == made


@pytest.mark.parametrize(
    ("said", "entries"),
    [
        ("", None),
        (json.dumps({"kind": "Secret"}), {}),
        (json.dumps({"data": {"dsn": base64.b64encode("pässword".encode()).decode()}}), {"dsn": "pässword"}),
    ],
)
def test_a_secret_is_its_entries_or_nothing(said: str, entries: dict[str, str] | None, tmp_path: Path) -> None:
    """One without entries is another thing than none."""
    Program(tmp_path, "kubectl", says=said)
    kubectl = Kubectl(state.ClusterState(tmp_path / "kubeconfig", "there", "", tmp_path, "local", ""))
    assert secret(kubectl, "team-a", "it") == entries

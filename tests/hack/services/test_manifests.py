"""The services' pods are as confined as the product's own, and passwords stand in Secrets only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hack.services import credentials, manifests, names

IMAGES = {"postgres": "registry.test/postgres:1", "s3": "registry.test/s3:1"}
ACCOUNT = credentials.draw()
OBJECTS = manifests.objects(ACCOUNT, IMAGES, Path("/disk"))
SETS = [item for item in OBJECTS if item["kind"] == "StatefulSet"]


@pytest.mark.parametrize("item", SETS, ids=lambda item: item["metadata"]["name"])
def test_pod_is_confined(item: dict[str, Any]) -> None:
    """Non-root, nothing writable but its volumes, no capability, no token, default seccomp, requests set."""
    pod = item["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}


def test_passwords_stand_in_secrets_only() -> None:
    """No pod template, no label and no representation of the credentials holds one."""
    passwords = [ACCOUNT.operator_password, ACCOUNT.team_password, ACCOUNT.secret_key]
    others = json.dumps([item for item in OBJECTS if item["kind"] != "Secret"])
    for password in passwords:
        assert len(password) >= 40
        assert password not in others
        assert password not in repr(ACCOUNT)


def test_each_reader_finds_the_secret_it_was_promised() -> None:
    """Operator and team read fixed names and keys in their own namespaces; DSNs name the Service."""
    found = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): item["stringData"]
        for item in OBJECTS
        if item["kind"] == "Secret"
    }
    operator = found["trainyard-system", "trainyard-database"]["dsn"]
    team = found["team-a", "trainyard-db"]["dsn"]
    host = "postgres.trainyard-services.svc:5432/trainyard"
    assert operator == f"postgresql://trainyard_operator:{ACCOUNT.operator_password}@{host}"
    assert team == f"postgresql://team_a_trainer:{ACCOUNT.team_password}@{host}"
    assert found["team-a", "trainyard-s3"] == {
        "AWS_ACCESS_KEY_ID": ACCOUNT.access_key,
        "AWS_SECRET_ACCESS_KEY": ACCOUNT.secret_key,
    }
    assert set(found) == {*manifests.secret_names(), (names.NAMESPACE, names.CREDENTIALS)}


def test_data_lies_on_disk_and_not_in_the_pod() -> None:
    """A pod that is replaced finds its data: on the node's disk, or on a volume of the cluster's."""
    for item in SETS:
        volumes = {volume["name"]: volume for volume in item["spec"]["template"]["spec"]["volumes"]}
        assert volumes["data"]["hostPath"]["path"] == f"/disk/{item['metadata']['name']}"
        assert item["spec"]["volumeClaimTemplates"] == []
    for item in manifests.objects(ACCOUNT, IMAGES, None):
        if item["kind"] == "StatefulSet":
            assert item["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] == "data"

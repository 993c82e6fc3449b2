"""Claims about what a job's pods may do on the API server."""

from __future__ import annotations

from tests.trainyard_operator.builders import UID, job
from trainyard_operator.cluster.access import access_bodies


def test_a_pod_may_read_its_job_and_patch_its_status() -> None:
    """This one object, and nothing else."""
    _, role, binding = access_bodies(job())
    granted = [(r["apiGroups"], r["resources"], r["verbs"], r["resourceNames"]) for r in role["rules"]]
    assert granted == [
        (["trainyard.dev"], ["trainingjobs"], ["get"], ["sums"]),
        (["trainyard.dev"], ["trainingjobs/status"], ["patch"], ["sums"]),
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [s["name"] for s in binding["subjects"]] == ["sums-trainer"]


def test_all_three_go_with_the_job() -> None:
    """Owned by its uid, so that they are collected."""
    for body in access_bodies(job()):
        assert body["metadata"]["name"] == "sums-trainer"
        assert body["metadata"]["ownerReferences"][0]["uid"] == UID

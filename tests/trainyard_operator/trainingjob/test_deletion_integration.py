"""Deleting on a real API server: stop, wait, settle, keep checkpoints, release; nothing hangs, nothing is forgotten."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench, condition, training_job
from tests.waiting import until
from trainyard_api import names
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, NAMESPACES, PODS, TRAINING_JOBS

pytestmark = pytest.mark.integration


def _stop_pod(bench: Bench, pod: dict[str, Any], namespace: str = NAMESPACE) -> None:
    """Waits until a pod is told to stop, and lets it end as a trainer that has saved."""

    def told() -> bool | None:
        body = bench.api.get(PODS, pod["metadata"]["name"], namespace)
        return True if body is not None and "deletionTimestamp" in body["metadata"] else None

    until(told, "the pod isn't told to stop")
    bench.api.end(pod, 10, '{"reason": "Stopped"}')
    bench.api.delete(PODS, pod["metadata"]["name"], namespace, gracePeriodSeconds=0)


def _gone(bench: Bench, name: str) -> None:
    until(lambda: bench.api.get(TRAINING_JOBS, name) is None, f"{name} stays")


def _spend(bench: Bench, uid: str) -> list[tuple]:
    return bench.database.rows("SELECT amount_usd FROM trainyard.pod_spend WHERE run_uid = %s", uid)


def test_a_deleted_job_stops_saves_books_and_goes(bench: Bench) -> None:
    """The pod gets its grace; its spend is booked, its last checkpoint becomes an object, then all is released."""
    pod = bench.running("bygone")
    job = bench.api.job("bygone")
    bench.api.delete(TRAINING_JOBS, "bygone")
    bench.api.wait_condition("bygone", "Succeeded", reason="Stopping")
    assert bench.api.job("bygone")["metadata"]["finalizers"] == [names.SETTLEMENT_FINALIZER]
    bench.claim(job, 4)
    _stop_pod(bench, pod)
    _gone(bench, "bygone")
    assert len(_spend(bench, job["metadata"]["uid"])) == 1
    stored = bench.api.get(CHECKPOINTS, names.checkpoint("bygone", job["metadata"]["uid"], 1, 4))
    assert stored is not None
    assert condition(stored, "Ready")["status"] == "True"
    until(lambda: True if not bench.api.pods("bygone") else None, "its pod stays")
    until(lambda: True if bench.api.get(JOBS, "bygone-1") is None else None, "its child Job stays")


def test_a_job_that_never_began_goes_at_once(bench: Bench) -> None:
    """Nothing to settle: a waiting job's deletion waits for nobody."""
    bench.submit("waiting", model={"checkpoint": {"trainingJob": "not-there"}})
    bench.api.wait_condition("waiting", "ModelAvailable", reason="WaitingForCheckpoint")
    bench.api.delete(TRAINING_JOBS, "waiting")
    _gone(bench, "waiting")


def test_a_refused_checkpoint_doesnt_hold_a_deletion(bench: Bench) -> None:
    """A stranger holds the object's name: the deletion goes through; row and files stay."""
    pod = bench.running("blocked")
    job = bench.api.job("blocked")
    name = names.checkpoint("blocked", job["metadata"]["uid"], 1, 6)
    spec = {
        "source": {"uri": "s3://models/elsewhere/", "digest": f"sha256:{9:064x}"},
        "storage": training_job("x")["spec"]["checkpoints"]["storage"],
    }
    body = {"apiVersion": "trainyard.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": name}, "spec": spec}
    bench.api.create(CHECKPOINTS, body)
    uri = bench.claim(job, 6)
    bench.api.wait_condition("blocked", "Degraded", reason="CheckpointRefused", status="True")
    bench.api.delete(TRAINING_JOBS, "blocked")
    _stop_pod(bench, pod)
    _gone(bench, "blocked")
    assert bench.database.rows("SELECT uri FROM trainyard.checkpoints WHERE uri = %s", uri) == [(uri,)]


def _running_in(bench: Bench, namespace: str, name: str) -> tuple[str, dict[str, Any]]:
    """A job that is being billed in a namespace of its own; its uid and its pod."""
    bench.api.create(NAMESPACES, {"metadata": {"name": namespace}}, None)
    body = training_job(name)
    body["metadata"]["namespace"] = namespace
    job = bench.api.create(TRAINING_JOBS, body, namespace)
    pod = bench.api.pod(name, namespace)
    bench.api.bind(pod)
    bench.api.run(pod)
    until(
        lambda: bench.api.job(name, namespace).get("status", {}).get("cost", {}).get("openPods"),
        "it isn't being billed",
    )
    return job["metadata"]["uid"], pod


def _namespace_gone(bench: Bench, namespace: str) -> None:
    until(lambda: True if bench.api.get(NAMESPACES, namespace, None) is None else None, "it hangs")


@pytest.fixture(scope="module")
def leaving(operator_bench: Bench) -> tuple[str, str]:
    """A namespace with a running job that is told to go while other tests run; its name, and the job's uid."""
    uid, pod = _running_in(operator_bench.awake(), "team-gone", "doomed")
    operator_bench.api.delete(NAMESPACES, "team-gone", None)
    _stop_pod(operator_bench, pod, "team-gone")
    until(lambda: _spend(operator_bench, uid) or None, "its spend isn't booked")
    return "team-gone", uid


def test_without_postgres_nothing_begins_and_nothing_is_forgotten(bench: Bench, leaving: tuple[str, str]) -> None:
    """Degraded with DatabaseUnavailable; no pod, no release, until the database is back; then both go on.

    Only a terminating namespace waits for nothing: its pods are billed in the status, released, and all goes.
    """
    assert leaving
    _, forsaken = _running_in(bench, "team-lost", "forsaken")
    pod = bench.running("holds")
    uid = bench.api.job("holds")["metadata"]["uid"]
    dsn_file = bench.operator.directory / "dsn"
    good = dsn_file.read_text()
    bench.operator.stop()
    bench.operator.dsn = "postgresql:///nowhere?host=/nonexistent"
    bench.operator.start_only()
    try:
        bench.submit("patient")
        bench.api.delete(NAMESPACES, "team-lost", None)
        job = bench.api.wait_condition("patient", "Degraded", reason="DatabaseUnavailable", status="True")
        assert condition(job, "Succeeded")["reason"] == "Queued"
        bench.api.delete(TRAINING_JOBS, "holds")
        _stop_pod(bench, pod)
        _stop_pod(bench, forsaken, "team-lost")
        bench.api.wait_condition("holds", "Degraded", reason="DatabaseUnavailable", status="True")
        assert bench.operator.probe("readyz") == 503
        _namespace_gone(bench, "team-lost")
        assert bench.api.pods("patient") == []
        assert bench.api.get(TRAINING_JOBS, "holds") is not None
    finally:
        bench.operator.dsn = good
        dsn_file.write_text(good)
    _gone(bench, "holds")
    assert len(_spend(bench, uid)) == 1
    bench.api.pod("patient")
    bench.api.wait_condition("patient", "Degraded", reason="AsExpected", status="False")


def test_a_terminating_namespace_is_let_go(bench: Bench, leaving: tuple[str, str]) -> None:
    """A namespace with a running job goes, and the pod's spend is booked once."""
    namespace, uid = leaving
    _namespace_gone(bench, namespace)
    assert len(_spend(bench, uid)) == 1


def test_a_pod_that_outlives_its_job_is_booked_and_released(bench: Bench) -> None:
    """Somebody took our finalizer off the TrainingJob: the pod is still paid for, and not held for ever."""
    pod = bench.running("orphaned")
    uid = bench.api.job("orphaned")["metadata"]["uid"]
    bench.operator.kill()
    bench.api.merge(TRAINING_JOBS.path(NAMESPACE, "orphaned"), {"metadata": {"finalizers": None}})
    bench.api.delete(TRAINING_JOBS, "orphaned")
    bench.operator.start()
    _stop_pod(bench, pod)
    until(lambda: True if not bench.api.pods("orphaned") else None, "the pod stays")
    rows = _spend(bench, uid)
    assert len(rows) == 1
    assert rows[0][0] > Decimal(0)

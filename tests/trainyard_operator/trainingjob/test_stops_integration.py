"""Stops on a real API server: suspend, cancel, delete, whatever a pod, a server or a policy does meanwhile."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench, condition, training_job
from tests.waiting import until
from trainyard_api import names
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, PODS, TRAINING_JOBS, Kind, KubeError
from trainyard_operator.trainingjob.controller import COST_SECONDS

pytestmark = pytest.mark.integration

POLICIES = Kind("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicies")
BINDINGS = Kind("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings")
STOPPED = '{"reason": "Stopped", "message": "stopped", "lastStep": 3}'


def _patch(bench: Bench, name: str, **spec: Any) -> None:
    bench.api.merge(TRAINING_JOBS.path(NAMESPACE, name), {"spec": spec})


def _stopping(bench: Bench, pod: dict[str, Any]) -> dict[str, Any]:
    """The pod once it has been told to stop."""

    def look() -> dict[str, Any] | None:
        body = bench.api.get(PODS, pod["metadata"]["name"])
        assert body is not None, "it is gone, with all that it knew"
        return body if "deletionTimestamp" in body["metadata"] else None

    return until(look, "the pod isn't stopped")


def _obey(bench: Bench, pod: dict[str, Any], exit_code: int = 10, message: str = STOPPED) -> None:
    """Stops as a kubelet does: SIGTERM, the container's end, then the object."""
    _stopping(bench, pod)
    bench.api.end(pod, exit_code, message)
    until(lambda: _gone(bench, pod), "the pod isn't released")


def _gone(bench: Bench, pod: dict[str, Any]) -> bool:
    """Removes a deleted pod as the kubelet does; it goes when nobody holds it."""
    try:
        bench.api.delete(PODS, pod["metadata"]["name"], gracePeriodSeconds=0)
    except KubeError as error:
        if error.status != 404:
            raise
    return bench.api.get(PODS, pod["metadata"]["name"]) is None


@contextmanager
def _refused(bench: Bench, resource: str, operations: list[str], name: str) -> Iterator[None]:
    """A policy of the cluster that refuses requests about one kind."""
    rule = {"apiGroups": ["trainyard.dev"], "apiVersions": ["*"], "operations": operations, "resources": [resource]}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "message": "refused by the cluster"}],
    }
    bench.api.create(POLICIES, {"metadata": {"name": name}, "spec": spec}, None)
    bound = {"policyName": name, "validationActions": ["Deny"]}
    bench.api.create(BINDINGS, {"metadata": {"name": name}, "spec": bound}, None)
    try:
        yield
    finally:
        bench.api.delete(BINDINGS, name, None)
        bench.api.delete(POLICIES, name, None)


def test_a_suspended_job_stops_keeps_its_work_and_goes_on(bench: Bench) -> None:
    """The cause on record, the pod stopped with its grace, the cost kept; then attempt 2 in a new pod."""
    pod = bench.running("pause")
    time.sleep(2)  # the API keeps whole seconds
    bench.claim(bench.api.job("pause"), 3)
    _patch(bench, "pause", suspend=True)
    _obey(bench, pod)
    job = bench.api.wait_condition("pause", "Suspended", reason="Suspended", status="True")
    status = job["status"]
    assert (status["stop"]["cause"], status["stop"]["attempt"]) == ("Suspended", 1)
    assert (condition(job, "Succeeded")["status"], condition(job, "Succeeded")["reason"]) == ("Unknown", "Suspended")
    assert condition(job, "Finished")["status"] == condition(job, "Reconciling")["status"] == "False"
    assert float(status["cost"]["spentUSD"]) >= float(status["cost"]["settledUSD"]) > 0
    assert status["attempt"]["ending"]["reason"] == "Stopped"
    assert "latestCheckpointRef" in status
    assert bench.api.get(JOBS, "pause-1") is None
    _patch(bench, "pause", suspend=None)
    second = until(lambda: next(iter(bench.api.pods("pause")), None), "no second pod")
    assert second["metadata"]["labels"][names.ATTEMPT_LABEL] == "2"
    bench.api.bind(second)
    bench.api.run(second)
    job = bench.api.wait_condition("pause", "Succeeded", reason="Running")
    assert job["status"]["restarts"]["crashes"] == 0
    assert job["status"]["podRef"]["uid"] == second["metadata"]["uid"]


def test_a_job_that_is_born_suspended_waits(bench: Bench) -> None:
    """No pod, no cost, until it is let go."""
    bench.submit("later", suspend=True)
    bench.api.wait_condition("later", "Suspended", reason="Suspended", status="True")
    bench.operator.let_tick(2)
    assert (bench.api.pods("later"), bench.api.get(JOBS, "later-1")) == ([], None)
    _patch(bench, "later", suspend=False)
    assert bench.api.pod("later")["metadata"]["labels"][names.ATTEMPT_LABEL] == "1"


def test_a_cancelled_job_never_runs_again(bench: Bench) -> None:
    """Final, with its checkpoint; whatever is applied later."""
    pod = bench.running("call-off")
    uri = bench.claim(bench.api.job("call-off"), 3)
    _patch(bench, "call-off", cancel=True)
    _obey(bench, pod, message=f'{{"reason": "Stopped", "committedUri": "{uri}", "lastStep": 3}}')
    job = bench.api.wait_condition("call-off", "Finished", reason="Cancelled", status="True")
    assert condition(job, "Succeeded")["status"] == "False"
    assert "latestCheckpointRef" in job["status"]
    _patch(bench, "call-off", cancel=False, suspend=False)
    bench.operator.let_tick(3)
    assert bench.api.pods("call-off") == []
    assert condition(bench.api.job("call-off"), "Succeeded")["reason"] == "Cancelled"
    attempt = bench.database.rows("SELECT reason FROM trainyard.attempts WHERE run_uid = %s", job["metadata"]["uid"])
    assert attempt == [("Cancelled",)]


def test_a_cancellation_that_is_taken_back_at_once_is_seen(bench: Bench) -> None:
    """True for less than 200 ms, while pods of other jobs report a hundred times a second."""
    pods = [bench.running(f"busy-{number}") for number in range(3)]
    pod = bench.running("regret")
    with _reporting(bench, [f"busy-{number}" for number in range(3)]):
        _patch(bench, "regret", cancel=True)
        _patch(bench, "regret", cancel=False)
        _obey(bench, pod)
    job = bench.api.wait_condition("regret", "Finished", reason="Cancelled", status="True")
    assert "cancelTime" in job["status"]
    assert len(pods) == 3


@contextmanager
def _reporting(bench: Bench, jobs: list[str]) -> Iterator[list[int]]:
    """Pods that patch their progress a hundred times a second together."""
    done, count = threading.Event(), [0]

    def report(name: str) -> None:
        while not done.is_set():
            count[0] += 1
            patch = {"status": {"progress": {"step": count[0], "estimatedRemainingSeconds": 2**53}}}
            bench.api.merge(TRAINING_JOBS.path(NAMESPACE, name, "status"), patch)
            time.sleep(len(jobs) / 100)

    threads = [threading.Thread(target=report, args=(name,)) for name in jobs]
    for thread in threads:
        thread.start()
    try:
        yield count
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _spent(bench: Bench, name: str) -> float:
    return float(bench.api.job(name)["status"]["cost"]["spentUSD"])


def test_a_pod_that_reports_all_the_time_starves_nobody(bench: Bench) -> None:
    """A hundred patches a second, each with an absurd rest of time: cost, an edit and the end are all written."""
    pod = bench.running("loud")
    time.sleep(COST_SECONDS * 2 / 3)  # a cost is due soon
    calm = _spent(bench, "loud")
    with _reporting(bench, ["loud"]) as count:
        until(lambda: _spent(bench, "loud") > calm, "no cost is written")
        _patch(bench, "loud", budget={"maxCostUSD": "7.00"})
        until(lambda: bench.api.job("loud")["status"]["budget"]["limitUSD"] == "7.00", "the edit isn't shown")
        bench.api.end(pod, 20, '{"reason": "InvalidData", "message": "no rows"}')
        job = bench.api.wait_condition("loud", "Finished", reason="Failed", status="True")
        assert count[0] > 20
    assert condition(job, "Stalled")["reason"] == "InvalidData"


def test_all_stops_happen_though_no_status_can_be_written(bench: Bench) -> None:
    """Suspend, cancel and delete, with every write of a status refused for ever."""
    pods = {name: bench.running(name) for name in ("mute-suspend", "mute-cancel", "mute-delete")}
    with _refused(bench, "trainingjobs/status", ["UPDATE"], "no-status"):

        def is_refused() -> bool:
            try:
                bench.api.merge(TRAINING_JOBS.path(NAMESPACE, "mute-suspend", "status"), {"status": {"progress": {}}})
            except KubeError:
                return True
            return False

        until(is_refused, "the policy isn't in force")
        _patch(bench, "mute-suspend", suspend=True)
        _patch(bench, "mute-cancel", cancel=True)
        bench.api.delete(TRAINING_JOBS, "mute-delete")
        for pod in pods.values():
            _stopping(bench, pod)
    for name, pod in pods.items():
        _obey(bench, pod)
        if name != "mute-delete":
            reason = "Suspended" if name == "mute-suspend" else "Cancelled"
            bench.api.wait_condition(name, "Succeeded", reason=reason)
    until(lambda: bench.api.get(TRAINING_JOBS, "mute-delete") is None, "the deleted job stays")


def test_a_stronger_stop_changes_the_reason_not_the_work(bench: Bench) -> None:
    """Suspended, then cancelled while it stops: one deletion, and it ends Cancelled."""
    pod = bench.running("overtaken")
    _patch(bench, "overtaken", suspend=True)
    first = _stopping(bench, pod)["metadata"]["deletionTimestamp"]
    _patch(bench, "overtaken", cancel=True)
    until(lambda: bench.api.job("overtaken")["status"]["stop"]["cause"] == "Cancelled", "the cause stays")
    assert _stopping(bench, pod)["metadata"]["deletionTimestamp"] == first
    _obey(bench, pod)
    bench.api.wait_condition("overtaken", "Finished", reason="Cancelled", status="True")


def _is_refused(bench: Bench) -> bool:
    """Whether the policy is in force; asked with an object that is never made."""
    files = {"uri": "s3://models/probe/", "digest": f"sha256:{0:064x}"}
    storage = training_job("probe")["spec"]["checkpoints"]["storage"]
    body = {"apiVersion": "trainyard.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "probe"}}
    try:
        path = f"{CHECKPOINTS.path(NAMESPACE)}?dryRun=All"
        bench.api.send("POST", path, body | {"spec": {"source": files, "storage": storage}})
    except KubeError as error:
        return "refused by the cluster" in str(error)
    return False


def test_a_job_whose_checkpoints_are_refused_ends_and_gets_them_later(bench: Bench) -> None:
    """Completed, its pod let go, Degraded with the cluster's words; the object comes when it may."""
    pod = bench.running("refused-objects")
    with _refused(bench, "checkpoints", ["CREATE"], "no-checkpoints"):
        until(lambda: _is_refused(bench), "the policy isn't in force")
        bench.finish(pod, bench.claim(bench.api.job("refused-objects"), 10))
        job = bench.api.wait_condition("refused-objects", "Finished", reason="Completed", status="True")
        degraded = condition(job, "Degraded")
        assert (degraded["status"], degraded["reason"]) == ("True", "CheckpointRefused")
        assert "refused by the cluster" in degraded["message"]
        held = bench.api.pods("refused-objects")[0]["metadata"].get("finalizers", [])
        assert names.ACCOUNTING_FINALIZER not in held
    bench.operator.kill()
    bench.operator.start()  # one that remembers no refusal asks at once
    job = bench.api.wait_condition("refused-objects", "CheckpointStored", reason="Stored", status="True")
    bench.api.wait_condition("refused-objects", "Degraded", reason="AsExpected", status="False")


def test_an_orphaned_pod_still_counts(bench: Bench) -> None:
    """`kubectl delete job --cascade=orphan`: the pod trains on, billed, and its end is the job's."""
    bench.submit("orphaned")
    pod = bench.api.pod("orphaned")
    until(lambda: "jobRef" in bench.api.job("orphaned")["status"].get("attempt", {}), "its Job isn't on record")
    bench.api.delete(JOBS, "orphaned-1", propagationPolicy="Orphan")
    until(lambda: bench.api.get(JOBS, "orphaned-1") is None, "the Job stays")
    bench.api.bind(pod)
    bench.api.run(pod)
    job = bench.api.wait_condition("orphaned", "Succeeded", reason="Running")
    until(lambda: bench.api.job("orphaned")["status"]["cost"].get("openPods"), "it isn't billed")
    bench.finish(pod, bench.claim(job, 10))
    bench.api.wait_condition("orphaned", "Finished", reason="Completed", status="True")
    assert [each["metadata"]["uid"] for each in bench.api.pods("orphaned")] == [pod["metadata"]["uid"]]


def test_seventeen_pods_with_our_labels_wedge_nobody(bench: Bench) -> None:
    """They are neither billed nor counted, and the job stops and goes."""
    pod = bench.running("crowded")
    labels = names.job_labels("crowded", bench.api.job("crowded")["metadata"]["uid"], 1)
    container = {"name": names.TRAINER_CONTAINER, "image": "x:1"}
    for number in range(17):
        body = {"metadata": {"name": f"crowd-{number}", "labels": labels}, "spec": {"containers": [container]}}
        bench.api.bind(bench.api.create(PODS, body))
    bench.operator.let_tick(2)
    assert len(bench.api.job("crowded")["status"]["cost"]["openPods"]) == 1
    bench.api.delete(TRAINING_JOBS, "crowded")
    _obey(bench, pod)
    until(lambda: bench.api.get(TRAINING_JOBS, "crowded") is None, "the deleted job stays")
    for number in range(17):
        bench.api.delete(PODS, f"crowd-{number}", gracePeriodSeconds=0)


def test_a_held_job_goes_on_when_it_is_edited(bench: Bench) -> None:
    """Out of restarts it waits, stopped and unbilled, for an edit of retry or trainer."""
    pod = bench.running("stubborn", retry={"maxRestarts": 0})
    bench.api.end(pod, 1, "boom")
    job = bench.api.wait_condition("stubborn", "Degraded", reason="RestartsExhausted", status="True")
    assert condition(job, "Degraded")["message"].startswith("spec.retry.maxRestarts: ")
    assert [one["metadata"]["uid"] for one in bench.api.pods("stubborn")] == [pod["metadata"]["uid"]], "its log went"
    _patch(bench, "stubborn", retry={"maxRestarts": 1})

    def attempts() -> list[str]:
        return [pod["metadata"]["labels"][names.ATTEMPT_LABEL] for pod in bench.api.pods("stubborn")]

    until(lambda: attempts() == ["2"], "no second pod")
    bench.api.wait_condition("stubborn", "Degraded", reason="AsExpected", status="False")


def test_what_a_trainer_couldnt_write_is_written_for_it(bench: Bench) -> None:
    """Stopped without Postgres: the claim comes from its message, its rows by a short Job, billed, before the end."""
    pod = bench.running("homeless")
    job = bench.api.job("homeless")
    prefix = names.run_prefix("p", NAMESPACE, "homeless", job["metadata"]["uid"])
    uri = f"s3://models/{prefix}{names.checkpoint_folder(3, 'abcdef0123')}"
    committed = {"uri": uri, "digest": f"sha256:{3:064x}", "step": 3, "sizeBytes": 2048, "unwrittenRows": 7}
    _patch(bench, "homeless", cancel=True)
    said = {"reason": "Stopped", "committedUri": uri, "committed": committed, "lastStep": 3}
    _stopping(bench, pod)
    bench.api.end(pod, 10, json.dumps(said))

    def writer() -> dict[str, Any] | None:
        found = (p for p in bench.api.pods("homeless") if p["metadata"]["labels"].get(names.ROLE_LABEL))
        return next(found, None)

    short = until(writer, "nobody writes the rows")
    assert short["spec"]["containers"][0]["args"] == ["write-rows", uri]
    assert short["spec"]["containers"][0]["resources"]["limits"]["memory"] == "256Mi"
    assert condition(bench.api.job("homeless"), "Finished")["status"] == "False"
    bench.api.bind(short)
    bench.api.bound_ago(short, 30)
    bench.api.run(short)
    bench.api.end(short, 0)
    job = bench.api.wait_condition("homeless", "Finished", reason="Cancelled", status="True")
    assert condition(job, "CheckpointStored")["status"] == "True"
    claims = bench.database.rows("SELECT uri FROM trainyard.checkpoints WHERE run_uid = %s", job["metadata"]["uid"])
    assert claims == [(uri,)]
    uid = job["metadata"]["uid"]
    until(
        lambda: len(bench.database.rows("SELECT 1 FROM trainyard.pod_spend WHERE run_uid = %s", uid)) == 2, "unbilled"
    )

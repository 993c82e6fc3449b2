"""Bad ends on a real API server: the reason, the field and the value, and what follows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.trainyard_operator.bench import Bench, condition
from tests.waiting import until
from trainyard_api import names
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, PODS, TRAINING_JOBS

pytestmark = pytest.mark.integration

DEADLINE = {"cpu": "1", "memory": "1Gi", "startDeadlineSeconds": 600}


def _kubelet(bench: Bench, name: str, pod: dict[str, Any], **options: Any) -> None:
    """Obeys a deletion the way the kubelet does: the container ends, then the pod goes."""

    def deleted() -> bool | None:
        body = bench.api.get(PODS, pod["metadata"]["name"])
        return True if body is None or "deletionTimestamp" in body["metadata"] else None

    until(deleted, f"the pod of {name} isn't deleted")
    bench.api.end(pod, **options)
    bench.api.delete(PODS, pod["metadata"]["name"], gracePeriodSeconds=0)


@pytest.fixture(scope="module")
def endings(operator_bench: Bench) -> Iterator[dict[str, dict[str, Any]]]:
    """Jobs whose pods have ended in every way there is, keyed by that way."""
    bench = operator_bench.awake()
    refusal = {
        "reason": "UnknownTask",
        "fieldPath": "spec.task.name",
        "value": "chess",
        "message": "no task of this name is installed",
    }
    ends: dict[str, dict[str, Any]] = {
        "refused": {"exit_code": 20, "message": json.dumps(refusal)},
        "strange-word": {"exit_code": 20, "message": '{"reason": "Completed", "message": "all is well"}'},
        "crashed": {"exit_code": 1, "message": "Traceback: boom"},
        "out-of-memory": {"exit_code": 137, "reason": "OOMKilled"},
        "no-result": {"exit_code": 0, "message": '{"reason": "Completed"}'},
        "foreign-result": {
            "exit_code": 0,
            "message": '{"reason": "Completed", "committedUri": "s3://models/p/team-a/other/uid/step-1-abc/"}',
        },
    }
    pods = {}
    for name in ends:
        bench.submit(name, retry={"maxRestarts": 0})
    for name, end in ends.items():
        pods[name] = bench.api.pod(name)
        bench.api.bind(pods[name])
        bench.api.run(pods[name])
        bench.api.wait_condition(name, "Succeeded", reason="Running")
        bench.api.end(pods[name], **end)
    jobs = {}
    for name in ends:
        kind, reason = ("Finished", "Failed") if name in FINAL else ("Degraded", "RestartsExhausted")
        jobs[name] = bench.api.wait_condition(name, kind, reason=reason, status="True")
    yield jobs
    bench.operator.let_tick(2)
    for name in ends:
        others = [p for p in bench.api.pods(name) if p["metadata"]["uid"] != pods[name]["metadata"]["uid"]]
        assert others == [], f"another pod of {name}"


FINAL = ("refused", "strange-word")
"""Of what happens after a start, only what the trainer itself refuses is final."""


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("refused", "UnknownTask", "spec.task.name: no task of this name is installed; got 'chess'"),
        ("strange-word", "TrainerCrashed", "all is well"),
        ("crashed", "TrainerCrashed", "exit code 1: 'Traceback: boom'"),
        ("out-of-memory", "OutOfMemory", "spec.trainer.memory: the container trainer was killed for using more memory"),
        ("no-result", "ResultMissing", 'got "nothing"'),
        ("foreign-result", "ResultMissing", "s3://models/p/team-a/other/uid/step-1-abc/"),
    ],
)
def test_an_end_has_its_reason(endings: dict[str, dict[str, Any]], name: str, reason: str, words: str) -> None:
    """The record carries the reason of the failure table, and Succeeded repeats its message."""
    job = endings[name]
    ending, summary = job["status"]["attempt"]["ending"], condition(job, "Succeeded")
    assert ending["reason"] == reason
    assert words in ending["message"]
    assert words in summary["message"].replace("\\", "")
    if name in FINAL:
        assert condition(job, "Stalled")["reason"] == reason
        assert condition(job, "Reconciling")["status"] == "False"
    else:
        assert (summary["status"], summary["reason"]) == ("Unknown", "Restarting")
        assert "spec.retry.maxRestarts" in condition(job, "Degraded")["message"]


def test_a_failed_jobs_pod_is_booked(endings: dict[str, dict[str, Any]], bench: Bench) -> None:
    """Failure doesn't lose the spend: every pod has a row."""
    for name, job in endings.items():
        uid = job["metadata"]["uid"]
        until(lambda uid=uid: bench.database.rows("SELECT 1 FROM trainyard.pod_spend WHERE run_uid = %s", uid), name)


WAITS = {
    "image": ("ImagePullBackOff", "manifest unknown", "ImageUnavailable", "spec.trainer.image", "no.example/x:1"),
    "invalid-image": ("InvalidImageName", "couldn't parse", "ImageUnavailable", "spec.trainer.image", "no.example/x:1"),
    "secret": (
        *("CreateContainerConfigError", 'secret "trainyard-s3" not found', "SecretUnavailable"),
        *("spec.checkpoints.storage.s3.secretRef.name", "trainyard-s3"),
    ),
    "key": (
        *("CreateContainerConfigError", "couldn't find key dsn in Secret team-a/trainyard-db", "SecretUnavailable"),
        *("spec.database.secretRef.name", "trainyard-db"),
    ),
    "slow": ("ContainerCreating", "", "StartDeadlineExceeded", "spec.trainer.startDeadlineSeconds", "600"),
}


@pytest.fixture(scope="module")
def waits(operator_bench: Bench) -> dict[str, dict[str, Any]]:
    """Jobs whose pods could not start, with what was reported while they still might."""
    bench = operator_bench.awake()
    pods, early, late = {}, {}, {}
    for name, (reason, message, *_) in WAITS.items():
        image = {"image": "no.example/x:1"} if "image" in name else {}
        bench.submit(f"wait-{name}", trainer=DEADLINE | image)
        pods[name] = bench.api.pod(f"wait-{name}")
        bench.api.bind(pods[name])
        bench.api.set_state(pods[name], "Pending", {"waiting": {"reason": reason, "message": message}})
    for name in WAITS:
        if name != "slow":
            reason = WAITS[name][2]
            early[name] = bench.api.wait_condition(f"wait-{name}", "Degraded", reason=reason, status="True")
    for name in WAITS:
        bench.api.bound_ago(pods[name], 3600)
    for name in WAITS:
        _kubelet(bench, name, pods[name], exit_code=137)
    for name in WAITS:
        late[name] = bench.api.wait_condition(f"wait-{name}", "Succeeded", reason="Failed", status="False")
        late[name]["early"] = early.get(name)
    return late


@pytest.mark.parametrize("name", sorted(WAITS))
def test_what_cannot_start_ends_with_field_and_value(waits: dict[str, dict[str, Any]], name: str, bench: Bench) -> None:
    """After startDeadlineSeconds the attempt ends with the cause, which stands although the pod was killed for it."""
    _, _, reason, path, value = WAITS[name]
    stalled = condition(waits[name], "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", reason)
    assert stalled["message"].startswith(f"{path}: ")
    assert stalled["message"].endswith(f'got "{value}"')
    assert until(lambda: True if not bench.api.pods(f"wait-{name}") else None, "its pod stays")


def test_trouble_at_the_start_shows_while_it_may_resolve(waits: dict[str, dict[str, Any]]) -> None:
    """Before the deadline it is Degraded with the same reason, and the job still Starting."""
    job = waits["image"]["early"]
    assert condition(job, "Succeeded")["reason"] == "Starting"
    assert condition(job, "Stalled")["status"] == "False"


def test_no_pod_follows_a_failure(waits: dict[str, dict[str, Any]], endings: dict[str, Any], bench: Bench) -> None:
    """Long after, no job that failed has a live pod, nor a child Job that could make one."""
    bench.operator.let_tick(5)
    for name in [*(f"wait-{key}" for key in waits), *endings]:
        live = [p for p in bench.api.pods(name) if p["status"]["phase"] not in {"Failed", "Succeeded"}]
        assert live == [], name


def test_a_vanished_pod_is_lost(bench: Bench) -> None:
    """A pod removed by force ends its attempt as PodLost, billed until it was seen gone."""
    pod = bench.running("vanished", retry={"maxRestarts": 0})
    name = pod["metadata"]["name"]
    time.sleep(2)  # the API keeps whole seconds
    bench.api.delete(PODS, name, gracePeriodSeconds=0)
    job = bench.api.wait_condition("vanished", "Degraded", reason="RestartsExhausted", status="True")
    assert job["status"]["attempt"]["ending"]["reason"] == "PodLost"
    assert float(job["status"]["cost"]["settledUSD"]) > 0
    assert until(lambda: True if bench.api.get(PODS, name) is None else None, "the pod stays")


def test_a_pod_deleted_before_it_was_bound_costs_nothing(bench: Bench) -> None:
    """It is released, its attempt is over, and nothing is booked."""
    bench.submit("unbound", retry={"maxRestarts": 0})
    pod = bench.api.pod("unbound")
    bench.api.wait_condition("unbound", "Succeeded", reason="Starting")
    bench.api.delete(PODS, pod["metadata"]["name"])

    def next_one() -> dict[str, Any] | None:
        job = bench.api.job("unbound")
        return job if job["status"]["attempts"] > 1 else None

    job = until(next_one, "nothing follows")
    assert job["status"]["cost"]["settledUSD"] == "0.000000"
    gone = lambda: pod["metadata"]["uid"] not in {p["metadata"]["uid"] for p in bench.api.pods("unbound")}  # noqa: E731
    assert until(lambda: gone() or None, "its pod stays")


def test_a_strangers_job_of_the_childs_name_is_left_alone(bench: Bench) -> None:
    """Degraded with NameConflict; the stranger's Job isn't touched, and the job starts once it is gone."""
    stranger = training_stranger("taken-1")
    bench.api.create(JOBS, stranger)
    bench.submit("taken")
    job = bench.api.wait_condition("taken", "Degraded", reason="NameConflict", status="True")
    expected = 'metadata.name: the Job "taken-1" exists and isn\'t controlled by this TrainingJob; got "taken"'
    assert condition(job, "Degraded")["message"] == expected
    assert condition(job, "Succeeded")["reason"] == "Queued"
    assert bench.api.pods("taken") == []
    bench.api.delete(JOBS, "taken-1")
    bench.api.pod("taken")
    bench.api.wait_condition("taken", "Degraded", reason="AsExpected", status="False")


def training_stranger(name: str) -> dict[str, Any]:
    """A suspended Job that nobody of ours has made."""
    container = {"name": "c", "image": "none:1"}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {"metadata": {"name": name}, "spec": {"suspend": True, "template": template}}


def test_a_gpu_without_a_price_isnt_started(bench: Bench) -> None:
    """CostKnown is False with field and value; the job stays Queued and no pod appears."""
    trainer = {"cpu": "1", "memory": "1Gi", "gpus": {"product": "NVIDIA-Imaginary", "count": 1}}
    bench.submit("unpriced", trainer=trainer)
    job = bench.api.wait_condition("unpriced", "CostKnown", reason="NoPrice", status="False")
    message = condition(job, "CostKnown")["message"]
    assert message.startswith("spec.trainer.gpus.product: ")
    assert message.endswith('got "NVIDIA-Imaginary"')
    bench.operator.let_tick(3)
    assert bench.api.pods("unpriced") == []
    assert condition(bench.api.job("unpriced"), "Succeeded")["reason"] == "Queued"


def test_a_job_waits_for_the_job_it_starts_from(bench: Bench) -> None:
    """Applied first, it is Queued; when the other has ended it starts from its checkpoint, pinned by uid and digest."""
    bench.submit("second", model={"checkpoint": {"trainingJob": "first"}})
    job = bench.api.wait_condition("second", "ModelAvailable", reason="WaitingForCheckpoint", status="False")
    assert condition(job, "Succeeded")["reason"] == "Queued"
    pod = bench.running("first")
    uri = bench.claim(bench.api.job("first"), 10)
    assert bench.api.pods("second") == []
    bench.finish(pod, uri)
    bench.api.pod("second")
    job = bench.api.wait_condition("second", "ModelAvailable", reason="Pinned", status="True")
    first = bench.api.job("first")
    checkpoint = bench.api.get(CHECKPOINTS, first["status"]["latestCheckpointRef"]["name"])
    assert checkpoint is not None
    assert job["status"]["modelRef"] == {
        "checkpoint": checkpoint["metadata"]["name"],
        "uid": checkpoint["metadata"]["uid"],
        "digest": checkpoint["spec"]["source"]["digest"],
    }


def test_a_checkpoint_that_can_never_come_ends_the_job(endings: dict[str, Any], bench: Bench) -> None:
    """The other job ended without one: Failed, CheckpointUnavailable, field and value, no pod."""
    assert endings
    bench.submit("hopeless", model={"checkpoint": {"trainingJob": "refused"}})
    job = bench.api.wait_condition("hopeless", "Succeeded", reason="Failed", status="False")
    stalled = condition(job, "Stalled")
    assert stalled["reason"] == "CheckpointUnavailable"
    assert stalled["message"].startswith("spec.model.checkpoint.trainingJob: ")
    assert stalled["message"].endswith('got "refused"')
    assert bench.api.pods("hopeless") == []


def test_a_claim_outside_the_runs_prefix_is_refused(bench: Bench) -> None:
    """No object is made of it: Degraded with CheckpointRefused and the URI."""
    bench.running("liar")
    job = bench.api.job("liar")
    bench.claim(job, 3, folder="../../team-b/other/step-3-abc/")
    job = bench.api.wait_condition("liar", "Degraded", reason="CheckpointRefused", status="True")
    assert "team-b" in condition(job, "Degraded")["message"]
    made = [c for c in bench.api.items(CHECKPOINTS) if c["metadata"].get("labels", {}).get(names.JOB_LABEL) == "liar"]
    assert made == []


def test_a_forged_pod_counts_for_nothing(bench: Bench) -> None:
    """A pod that carries a job's labels but isn't its child's is neither billed nor named in podRef."""
    pod = bench.running("genuine")
    labels = names.job_labels("genuine", bench.api.job("genuine")["metadata"]["uid"], 1)
    container = {"name": names.TRAINER_CONTAINER, "image": "x:1"}
    forged = {"metadata": {"name": "forged", "labels": labels}, "spec": {"containers": [container]}}
    bench.api.bind(bench.api.create(PODS, forged))
    until(lambda: bench.api.job("genuine")["status"].get("cost", {}).get("openPods"), "it isn't being billed")
    bench.operator.let_tick(3)
    status = bench.api.job("genuine")["status"]
    assert status["podRef"]["uid"] == pod["metadata"]["uid"]
    assert [entry["uid"] for entry in status["cost"]["openPods"]] == [pod["metadata"]["uid"]]
    bench.api.delete(TRAINING_JOBS, "genuine")

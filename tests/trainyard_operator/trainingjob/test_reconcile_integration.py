"""A job's whole way on a real API server: what the operator makes, writes, books and releases."""

from __future__ import annotations

import json
import time
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.trainyard_operator.bench import IMAGE, NAMESPACE, RATE_PER_HOUR, Bench, condition
from tests.waiting import until
from trainyard_api import names
from trainyard_api.run_config import RunConfig
from trainyard_operator.cluster.kube import (
    CHECKPOINTS,
    CONFIG_MAPS,
    EVENTS,
    JOBS,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    TRAINING_JOBS,
)

pytestmark = pytest.mark.integration


def _seconds(pod: dict[str, Any]) -> int:
    scheduled = next(c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
    span = datetime.fromisoformat(ended) - datetime.fromisoformat(scheduled["lastTransitionTime"])
    return int(span.total_seconds())


def _released(bench: Bench, pod: dict[str, Any]) -> dict[str, Any] | None:
    body = bench.api.get(PODS, pod["metadata"]["name"])
    assert body is not None
    return None if names.ACCOUNTING_FINALIZER in body["metadata"].get("finalizers", ()) else body


@pytest.fixture(scope="module")
def finished(operator_bench: Bench) -> dict[str, Any]:
    """A job that has run to its end, with its pod and its checkpoint's URI."""
    bench = operator_bench.awake()
    pod = bench.running("whole-way")
    bench.claim(bench.api.job("whole-way"), 5)
    time.sleep(2)
    uri = bench.claim(bench.api.job("whole-way"), 10)
    bench.finish(pod, uri)
    job = bench.api.wait_condition("whole-way", "Succeeded", reason="Completed", status="True")
    until(lambda: _released(bench, pod), "the pod isn't released")
    return {"job": job, "pod": bench.api.get(PODS, pod["metadata"]["name"]), "uri": uri}


def test_the_child_job_makes_one_pod_that_waits_to_be_booked(bench: Bench, finished: dict[str, Any]) -> None:
    """No retries, no replacement before failure, our finalizer on the pod, the TrainingJob as controller."""
    child = bench.api.get(JOBS, "whole-way-1")
    assert child is not None
    assert (child["spec"]["backoffLimit"], child["spec"]["podReplacementPolicy"]) == (0, "Failed")
    assert child["spec"]["template"]["metadata"]["finalizers"] == [names.ACCOUNTING_FINALIZER]
    owner = child["metadata"]["ownerReferences"][0]
    assert (owner["uid"], owner["controller"]) == (finished["job"]["metadata"]["uid"], True)
    assert child["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE


def test_the_run_config_is_immutable_and_understood(bench: Bench, finished: dict[str, Any]) -> None:
    """The mounted ConfigMap parses as a RunConfig with unknown fields forbidden, and the child Job owns it."""
    found = [c for c in bench.api.items(CONFIG_MAPS) if c["metadata"]["name"].startswith("whole-way-1-")]
    assert len(found) == 1
    assert found[0]["immutable"] is True
    assert found[0]["metadata"]["ownerReferences"][0]["name"] == "whole-way-1"
    text = found[0]["data"][names.RUN_CONFIG_FILE]
    config = RunConfig.model_validate_json(text, extra="forbid")
    assert config.run.uid == finished["job"]["metadata"]["uid"]
    assert "secretRef" in text


def test_the_pods_account_may_patch_one_status_only(bench: Bench, finished: dict[str, Any]) -> None:
    """The Role names this one TrainingJob: get, and patch of its status."""
    assert finished
    role = bench.api.get(ROLES, "whole-way-trainer")
    assert role is not None
    granted = {(tuple(r["resources"]), tuple(r["verbs"]), tuple(r["resourceNames"])) for r in role["rules"]}
    assert granted == {
        (("trainingjobs",), ("get",), ("whole-way",)),
        (("trainingjobs/status",), ("patch",), ("whole-way",)),
    }
    assert bench.api.get(ROLE_BINDINGS, "whole-way-trainer") is not None


def test_cost_is_lifetime_times_rate_in_status_and_ledger(bench: Bench, finished: dict[str, Any]) -> None:
    """Both hold the same sum to the last digit, and the shown sum isn't below it."""
    cost = finished["job"]["status"]["cost"]
    expected = (Decimal(RATE_PER_HOUR) * _seconds(finished["pod"]) / 3600).quantize(Decimal("0.000001"))
    assert Decimal(cost["settledUSD"]) == expected
    assert Decimal(cost["spentUSD"]) >= expected
    uid = finished["job"]["metadata"]["uid"]
    rows = bench.database.rows(
        "SELECT pod_uid, amount_usd, rate_per_hour_usd FROM trainyard.pod_spend WHERE run_uid = %s", uid
    )
    assert rows == [(finished["pod"]["metadata"]["uid"], expected, Decimal(RATE_PER_HOUR))]


def test_checkpoints_are_objects_that_columns_can_show(bench: Bench, finished: dict[str, Any]) -> None:
    """Each claim is a Ready Checkpoint with step, reward and size; the newest is named in the job's status."""
    uid = finished["job"]["metadata"]["uid"]
    found = {c["metadata"]["name"]: c for c in bench.api.items(CHECKPOINTS)}
    newest = found[names.checkpoint("whole-way", uid, 1, 10)]
    assert names.checkpoint("whole-way", uid, 1, 5) in found
    status = newest["status"]
    assert (status["step"], status["reward"], status["size"], status["uri"]) == (10, "0.75", "2.0Ki", finished["uri"])
    assert (condition(newest, "Ready")["status"], condition(newest, "Ready")["reason"]) == ("True", "Committed")
    assert "ownerReferences" not in newest["metadata"]
    assert finished["job"]["status"]["latestCheckpointRef"] == {"name": newest["metadata"]["name"]}


def test_the_ledger_knows_run_and_attempt(bench: Bench, finished: dict[str, Any]) -> None:
    """The run has an end, and its attempt the reason."""
    uid = finished["job"]["metadata"]["uid"]
    rows = bench.database.rows(
        "SELECT r.name, r.attempt, r.ended_at IS NOT NULL, a.job_name, a.reason FROM trainyard.runs r"
        " JOIN trainyard.attempts a ON a.run_uid = r.uid WHERE r.uid = %s",
        uid,
    )
    assert rows == [("whole-way", 1, True, "whole-way-1", "Completed")]


def test_events_tell_the_story_once(bench: Bench, finished: dict[str, Any]) -> None:
    """Each step of the job's life is one event with a fixed reason."""

    def look() -> list[str] | None:
        events = [e for e in bench.api.items(EVENTS) if e["regarding"].get("uid") == finished["job"]["metadata"]["uid"]]
        reasons = sorted(e["reason"] for e in events)
        return reasons if "Completed" in reasons else None

    reasons = until(look, "no event Completed")
    assert set(reasons) >= {"AttemptStarted", "Starting", "Running", "CheckpointCreated", "SpendSettled", "Completed"}
    assert reasons.count("Completed") == reasons.count("AttemptStarted") == reasons.count("SpendSettled") == 1


def test_every_condition_is_set_and_observed(finished: dict[str, Any]) -> None:
    """All nine conditions are there, each for the current generation; lists are bounded."""
    conditions = {c["type"]: c for c in finished["job"]["status"]["conditions"]}
    assert set(conditions) == {
        *("Succeeded", "Finished", "Suspended", "CostKnown", "ModelAvailable", "CheckpointStored", "Degraded"),
        *("Reconciling", "Stalled"),
    }
    assert {c["observedGeneration"] for c in conditions.values()} == {finished["job"]["metadata"]["generation"]}
    assert finished["job"]["status"]["budget"] == {"limitUSD": "5.00", "source": "Spec"}


def test_two_managers_own_the_two_halves(finished: dict[str, Any]) -> None:
    """Money belongs to the budget's field manager, all else to the operator's; neither owns progress."""
    owned = {
        entry["manager"]: json.dumps(entry["fieldsV1"])
        for entry in finished["job"]["metadata"]["managedFields"]
        if entry.get("subresource") == "status"
    }
    assert set(owned) == {names.OPERATOR_MANAGER, names.BUDGET_MANAGER}
    assert "f:cost" in owned[names.BUDGET_MANAGER]
    assert "f:cost" not in owned[names.OPERATOR_MANAGER]
    assert not any("f:progress" in fields for fields in owned.values())


def test_a_finished_job_costs_no_write_and_an_edit_two(bench: Bench, finished: dict[str, Any]) -> None:
    """Five ticks write nothing; a new budget is observed by two applies, one for each half, and by no third."""

    def writes() -> list[str]:
        """To this job and its checkpoints; what other tests have left running goes on being billed."""
        return [write for write in bench.api.writes() if "/whole-way" in write]

    def quiet() -> bool:
        seen = len(writes())
        bench.operator.let_tick(2)
        return len(writes()) == seen

    until(quiet, "the job is written to without end")
    before = len(writes())
    bench.operator.let_tick(5)
    assert writes()[before:] == []
    generation = finished["job"]["metadata"]["generation"]
    bench.api.merge(TRAINING_JOBS.path(NAMESPACE, "whole-way"), {"spec": {"budget": {"maxCostUSD": "6.00"}}})
    until(
        lambda: True if bench.api.job("whole-way")["status"]["observedGeneration"] == generation + 1 else None,
        "the edit isn't observed",
    )
    until(quiet, "the job is written to without end")
    mine, *operators = writes()[before:]
    assert mine.startswith("patch")
    assert len(operators) == 2
    job = bench.api.job("whole-way")
    assert job["status"]["budget"]["limitUSD"] == "6.00"
    assert {c["observedGeneration"] for c in job["status"]["conditions"]} == {generation + 1}


def test_progress_of_the_pod_is_left_alone(bench: Bench) -> None:
    """What the pod reports survives the operator's writes, and costs get a projection from it."""
    pod = bench.running("reports")
    progress = {"step": 3, "steps": "3/10", "percent": 30, "estimatedRemainingSeconds": 3600}
    bench.api.merge(TRAINING_JOBS.path(NAMESPACE, "reports", "status"), {"status": {"progress": progress}})
    bench.api.end(pod, 20)
    job = bench.api.wait_condition("reports", "Succeeded", reason="Failed")
    assert job["status"]["progress"] == progress


def test_a_killed_operator_changes_no_cent(bench: Bench) -> None:
    """Killed while the pod runs and while it ends: the sum is still lifetime times rate."""
    pod = bench.running("survivor")
    bench.operator.kill()
    time.sleep(2)
    uri = bench.claim(bench.api.job("survivor"), 10)
    bench.finish(pod, uri)
    time.sleep(3)
    bench.operator.start()
    job = bench.api.wait_condition("survivor", "Succeeded", reason="Completed", status="True")
    ended = bench.api.get(PODS, pod["metadata"]["name"])
    assert ended is not None
    expected = (Decimal(RATE_PER_HOUR) * _seconds(ended) / 3600).quantize(Decimal("0.000001"))
    assert Decimal(job["status"]["cost"]["settledUSD"]) == expected


def test_an_operator_that_is_told_to_stop_stops(bench: Bench) -> None:
    """SIGTERM ends the process with 0, and its jobs go on."""
    bench.running("outlives")
    assert bench.operator.stop() == 0
    assert condition(bench.api.job("outlives"), "Succeeded")["reason"] == "Running"

"""Claims about letting a TrainingJob go, one step at a time."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.trainyard_operator.builders import (
    POD_UID,
    PREFIX,
    at,
    child,
    claim,
    conditions,
    decide,
    ended_pod,
    ended_record,
    next_status,
    observed,
    open_pod,
    pod,
    reported,
    running_status,
    stop_record,
)
from trainyard_api.conditions import ConditionType
from trainyard_api.termination import CommittedCheckpoint
from trainyard_operator.trainingjob.decision.actions import (
    BookAtOnce,
    BookClaim,
    BookSpend,
    DeleteChild,
    DeletePod,
    EndRun,
    RecordStop,
    ReleasePod,
    RemoveFinalizer,
    StoreCheckpoint,
)
from trainyard_operator.trainingjob.decision.observed import Refusal
from trainyard_operator.trainingjob.gates.before_start import NO_LEDGER
from trainyard_operator.trainingjob.life.deletion import overdue

BOOKED = {"spentUSD": "0.1000", "settledUSD": "0.037500", "settledPods": [{"uid": POD_UID}]}
UNWRITTEN = BOOKED | {"settledPods": [open_pod(end=-10)]}
STOPPED = stop_record("Deleted")
JUDGED = ended_record("Stopped")


def _kinds(*, now: int = 0, **around: Any) -> list[type]:
    return [type(action) for action in decide(observed(deleted=-1, **around), now=at(now)).actions]


def test_first_child_and_pod_are_stopped() -> None:
    """The cause on record, then both; nothing else happens in the pod's grace, and the status says Stopping."""
    seen = observed(deleted=-1, status=running_status(), child=child(), pods=(pod(),))
    plan = decide(seen)
    assert plan.actions == (RecordStop("Deleted", 1), DeleteChild(child()), DeletePod(pod()))
    assert conditions(plan)[ConditionType.SUCCEEDED]["reason"] == "Stopping"
    status = running_status(stop=STOPPED)
    assert _kinds(status=status, child=child(deleting=True), pods=(pod(deletion_time=at(4)),)) == []


def test_then_the_pod_is_booked_and_only_then_all_is_released() -> None:
    """Sum and end into the status, row, release of pod and TrainingJob together."""
    pods, gone = (ended_pod(10),), child(deleting=True)
    assert _kinds(status=running_status(), child=gone, pods=pods) == [ReleasePod]
    unwritten = running_status(cost=UNWRITTEN, attempt=JUDGED)
    let_go = [ReleasePod, EndRun, RemoveFinalizer]
    assert _kinds(status=unwritten, child=gone, pods=pods) == [BookSpend, *let_go]
    assert _kinds(status=running_status(cost=BOOKED, attempt=JUDGED), pods=pods) == let_go


def test_outstanding_checkpoints_are_tried_once() -> None:
    """Not as a condition of the release."""
    plan = decide(observed(deleted=-1, status=running_status(cost=BOOKED, attempt=JUDGED), claims=(claim(),)))
    assert plan.actions == (StoreCheckpoint(claim()), EndRun("Deleted"), RemoveFinalizer())


def test_a_checkpoint_that_the_trainer_only_named_is_booked_before_all_is_released() -> None:
    """The database was away at its end: without the row nobody would know of the files."""
    named = CommittedCheckpoint(
        uri=f"{PREFIX}step-10-u2-9d2f0c3e/", digest=claim().digest, step=10, updates=2, size_bytes=9, metrics={}
    )
    record = ended_record("Stopped", committed=named.to_wire())
    status = running_status(cost=BOOKED, attempt=record, stop=STOPPED)
    (booked,) = decide(observed(deleted=-1, status=status, claims=())).actions
    assert isinstance(booked, BookClaim)
    assert booked.claim.uri == named.uri
    there = decide(observed(deleted=-1, status=status, claims=(booked.claim,)))
    assert [type(action) for action in there.actions] == [StoreCheckpoint, EndRun, RemoveFinalizer]


def test_how_the_attempt_ended_is_on_record_before_all_is_released() -> None:
    """What its own stop saved is named nowhere else, and is claimed from there."""
    named = {"uri": f"{PREFIX}step-10-u2-9d2f0c3e/", "digest": claim().digest, "step": 10, "updates": 2}
    said = json.dumps({"reason": "Stopped", "committed": named})
    pods = (ended_pod(10, deletion_time=at(-20), termination_text=said),)
    status = running_status(cost=BOOKED, stop=STOPPED)
    first = decide(observed(deleted=-1, status=status, pods=pods))
    assert RemoveFinalizer() not in first.actions
    assert first.operator_half["attempt"]["ending"]["committed"]["uri"] == named["uri"]
    second = decide(observed(deleted=-1, status=next_status(first), pods=pods))
    assert [type(action) for action in second.actions if not isinstance(action, ReleasePod)] == [BookClaim]
    late = decide(observed(deleted=-100, status=status, pods=pods))
    assert RemoveFinalizer() in late.actions


def test_a_pod_that_wont_end_is_waited_for_only_so_long() -> None:
    """Its grace (5 s) and a minute; then it is billed to that moment and let go."""
    status, living = running_status(stop=STOPPED), (pod(deletion_time=at(4)),)
    assert not overdue(observed(deleted=-1), at(63))
    assert overdue(observed(deleted=-1), at(64))
    assert not overdue(observed(), at(10**6))
    # A pod keeps the grace that it was made with, whatever the manifest says now.
    slow = observed(deleted=-1, pods=(pod(grace_seconds=300),))
    assert not overdue(slow, at(358))
    assert overdue(slow, at(359))
    assert overdue(observed(deleted=-1, pods=(ended_pod(0, grace_seconds=300),)), at(64))
    assert _kinds(status=status, pods=living, now=63) == []
    closed = decide(observed(deleted=-1, status=status, pods=living), now=at(64))
    assert closed.budget_half["cost"]["settledPods"][0]["endTime"] == open_pod(end=4)["endTime"]
    booked = running_status(cost=BOOKED, stop=STOPPED, attempt=JUDGED)
    assert _kinds(status=booked, pods=living, now=66) == [ReleasePod, EndRun, RemoveFinalizer]


def test_without_the_ledger_the_job_is_kept() -> None:
    """Why a run ended, and a spend that isn't in it, would be forgotten."""
    for cost in (BOOKED, UNWRITTEN):
        plan = decide(
            observed(deleted=-1, status=running_status(cost=cost, attempt=JUDGED), pods=(ended_pod(10),), claims=None)
        )
        assert [type(action) for action in plan.actions] == [ReleasePod]
        assert conditions(plan)[ConditionType.DEGRADED]["reason"] == "DatabaseUnavailable"


@pytest.mark.parametrize("ended", [False, True])
def test_with_nothing_to_settle_no_job_waits_for_the_ledger(ended: bool) -> None:
    """One that never began; one that had ended, which it does only when all is booked and every claim an object."""
    summary = reported(ConditionType.SUCCEEDED, "True", "Completed")
    status = running_status(summary, cost=BOOKED) if ended else {"observedGeneration": 1}
    pods = (ended_pod(0),) if ended else ()
    seen = observed(deleted=-1, status=status, pods=pods, claims=None)
    assert [type(action) for action in decide(seen).actions] == [ReleasePod, RemoveFinalizer][not ended :]


def test_a_job_that_has_ended_and_has_a_row_to_come_waits_for_the_ledger() -> None:
    """The row would be forgotten with the object."""
    summary = reported(ConditionType.SUCCEEDED, "True", "Completed")
    seen = observed(deleted=-1, status=running_status(summary, cost=UNWRITTEN), pods=(ended_pod(0),), claims=None)
    assert RemoveFinalizer() not in decide(seen).actions


def test_a_job_whose_attempt_may_have_begun_waits_for_the_ledger() -> None:
    """A child, or a pod that costs money, is enough: the status may not have been written."""
    for around in ({"child": child(deleting=True)}, {"pods": (pod(),)}):
        plan = decide(observed(deleted=-1, status={"observedGeneration": 1}, claims=None, node_labels={}, **around))
        assert RemoveFinalizer() not in plan.actions


def test_a_terminating_namespace_waits_for_nothing() -> None:
    """Not for pods, rows, nor the ledger; what is spent is settled in the status, and its row tried at once."""
    pods = (pod(deletion_time=at(4)),)
    seen = observed(
        deleted=-1, status=running_status(), child=child(), pods=pods, claims=None, namespace_terminating=True
    )
    plan = decide(seen)
    assert [type(action) for action in plan.actions] == [
        *(ReleasePod, RecordStop, DeleteChild, BookAtOnce, RemoveFinalizer),
    ]
    (booked,) = (action for action in plan.actions if isinstance(action, BookAtOnce))
    assert [spend.pod.end_time for spend in booked.spends] == [open_pod(end=4)["endTime"]]
    assert booked.reason == "Deleted"


def test_in_a_terminating_namespace_pods_go_before_the_job_is_deleted() -> None:
    """The namespace's pods are deleted first; the TrainingJob's own deletion comes later."""
    pods = (pod(deletion_time=at(4)),)
    seen = observed(status=running_status(), child=child(), pods=pods, claims=None, namespace_terminating=True)
    assert [type(action) for action in decide(seen).actions] == [ReleasePod, RecordStop, DeleteChild]


def test_in_a_terminating_namespace_a_job_that_has_ended_is_let_go_too() -> None:
    """Its pod is kept for its log, and would hold the namespace."""
    summary = reported(ConditionType.SUCCEEDED, "True", "Completed")
    seen = observed(
        deleted=-1, status=running_status(summary, cost=BOOKED), pods=(ended_pod(0),), namespace_terminating=True
    )
    assert [type(action) for action in decide(seen).actions] == [ReleasePod, BookAtOnce, RemoveFinalizer]


def test_a_job_that_we_dont_hold_is_left_alone() -> None:
    """Its finalizer is off: it goes as it is."""
    seen = observed(deleted=-1, status=running_status(cost=BOOKED, attempt=JUDGED))
    free = seen.job.metadata.model_copy(update={"finalizers": ["somebody.else/keeps"]})
    assert decide(replace(seen, job=seen.job.model_copy(update={"metadata": free}))).actions == ()


def test_a_job_that_has_ended_keeps_its_end_while_it_goes() -> None:
    """Succeeded has left Unknown once; while its last pod stops too."""
    summary = reported(ConditionType.SUCCEEDED, "True", "Completed")
    for around in ({"pods": (pod(),)}, {"claims": None}):
        plan = decide(observed(deleted=-1, status=running_status(summary, cost=UNWRITTEN), **around))
        assert conditions(plan)[ConditionType.SUCCEEDED]["reason"] == "Completed"


@pytest.mark.parametrize(
    "around",
    [
        {"status": running_status(), "pods": (pod(deletion_time=at(4)),)},
        {"status": running_status(stop=STOPPED), "pods": (ended_pod(10),), "claims": None},
        {"status": running_status(cost=BOOKED, stop=STOPPED, attempt=JUDGED), "pods": (pod(deletion_time=at(4)),)},
        {"status": running_status(cost=BOOKED, attempt=JUDGED), "pods": (pod(),)},
    ],
)
def test_while_anything_runs_or_is_unsettled_a_job_is_held(around: dict[str, Any]) -> None:
    """Whatever else is done."""
    assert RemoveFinalizer() not in decide(observed(deleted=-1, **around)).actions


def test_a_job_that_waits_for_the_ledger_says_so() -> None:
    """Degraded, in words; its pods are let go meanwhile, for their cost is in the status."""
    seen = observed(deleted=-1, status=running_status(cost=BOOKED, attempt=JUDGED), pods=(ended_pod(10),), claims=None)
    plan = decide(seen)
    found = conditions(plan)[ConditionType.DEGRADED]
    assert (found["status"], found["message"]) == ("True", NO_LEDGER)
    assert plan.actions == (ReleasePod(ended_pod(10)),)
    unbooked = ended_pod(10, uid="never-bound", bound_time=None)
    other = decide(
        observed(deleted=-1, status=running_status(cost=BOOKED, attempt=JUDGED), pods=(unbooked,), claims=None)
    )
    assert other.actions == (ReleasePod(unbooked),)


def test_a_refused_checkpoint_rests_while_its_job_goes() -> None:
    """It isn't waited for."""
    for again, tried in ((at(1), False), (at(0), True)):
        seen = observed(
            deleted=-1,
            status=running_status(cost=BOOKED, attempt=JUDGED),
            claims=(claim(),),
            refused_stores={claim().uri: Refusal("quota", again)},
        )
        plan = decide(seen)
        assert (StoreCheckpoint(claim()) in plan.actions) is tried
        assert RemoveFinalizer() in plan.actions


def test_pods_that_hold_for_nothing_are_let_go_with_the_job() -> None:
    """One of an earlier attempt, whose cost the status has forgotten."""
    late = ended_pod(1, uid="late", bound_time=None, finalizers=("trainyard.dev/accounting",))
    plan = decide(observed(deleted=-1, status=running_status(cost=BOOKED, attempt=JUDGED), pods=(late,)))
    assert plan.actions == (ReleasePod(late), EndRun("Deleted"), RemoveFinalizer())

"""Claims about letting a TrainingJob go, one step at a time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainyard_operator.builders import (
    POD_UID,
    at,
    child,
    claim,
    conditions,
    decide,
    ended_pod,
    observed,
    open_pod,
    pod,
    reported,
    running_status,
)
from trainyard_api.conditions import ConditionType
from trainyard_operator.money.booking import BookSpend
from trainyard_operator.trainingjob.actions import DeleteChild, EndRun, ReleasePod, RemoveFinalizer, StoreCheckpoint
from trainyard_operator.trainingjob.deletion import overdue

SETTLED = {"spentUSD": "0.1000", "settledUSD": "0.037500", "settledPods": [{"uid": POD_UID}]}


def _kinds(*, now: int = 0, **around: Any) -> list[type]:
    return [type(action) for action in decide(observed(deleted=-1, **around), now=at(now)).actions]


def test_first_the_child_is_stopped() -> None:
    """Nothing else happens while its pod still has its grace; the status says Stopping."""
    seen = observed(deleted=-1, status=running_status(), child=child(), pods=(pod(),))
    plan = decide(seen)
    assert [type(action) for action in plan.actions] == [DeleteChild]
    assert conditions(plan)[ConditionType.SUCCEEDED]["reason"] == "Stopping"
    assert _kinds(status=running_status(), child=child(deleting=True), pods=(pod(deletion_time=at(4)),)) == []


def test_then_the_pod_is_booked_and_only_then_all_is_released() -> None:
    """End time, row, release with the TrainingJob itself."""
    assert _kinds(status=running_status(), pods=(ended_pod(10),)) == []
    recorded = running_status(cost={"spentUSD": "0.1", "settledUSD": "0", "openPods": [open_pod(end=-10)]})
    assert _kinds(status=recorded, pods=(ended_pod(10),)) == [BookSpend]
    booked = running_status(cost=SETTLED)
    assert _kinds(status=booked, pods=(ended_pod(10),)) == [ReleasePod, EndRun, RemoveFinalizer]


def test_outstanding_checkpoints_are_tried_once() -> None:
    """Not as a condition of the release."""
    plan = decide(observed(deleted=-1, status=running_status(cost=SETTLED), claims=(claim(),)))
    assert plan.actions == (StoreCheckpoint(claim(), required=False), EndRun("Deleted"), RemoveFinalizer())


def test_a_pod_that_wont_end_is_waited_for_only_so_long() -> None:
    """Its grace (5 s) and a minute; then it is billed to that moment and let go."""
    status, living = running_status(), (pod(deletion_time=at(4)),)
    assert not overdue(observed(deleted=-1), at(63))
    assert overdue(observed(deleted=-1), at(64))
    assert _kinds(status=status, pods=living, now=63) == []
    closed = decide(observed(deleted=-1, status=status, pods=living), now=at(64))
    assert closed.budget_half["cost"]["openPods"][0]["endTime"] == open_pod(end=4)["endTime"]
    recorded = running_status(cost={"spentUSD": "0.1", "settledUSD": "0", "openPods": [open_pod(end=4)]})
    assert _kinds(status=recorded, pods=living, now=65) == [BookSpend]
    assert _kinds(status=running_status(cost=SETTLED), pods=living, now=66) == [ReleasePod, EndRun, RemoveFinalizer]


def test_without_the_ledger_the_job_is_kept() -> None:
    """A spend that isn't in it would be forgotten."""
    plan = decide(observed(deleted=-1, status=running_status(cost=SETTLED), pods=(ended_pod(10),), claims=None))
    assert plan.actions == ()
    assert conditions(plan)[ConditionType.DEGRADED]["reason"] == "DatabaseUnavailable"


@pytest.mark.parametrize("ended", [False, True])
def test_with_nothing_to_settle_no_job_waits_for_the_ledger(ended: bool) -> None:
    """One that never began; one that had ended, which it does only when all is booked and every claim an object."""
    summary = reported(ConditionType.SUCCEEDED, "True", "Completed")
    status = running_status(summary, cost=SETTLED) if ended else {"observedGeneration": 1}
    pods = (ended_pod(0),) if ended else ()
    seen = observed(deleted=-1, status=status, pods=pods, claims=None)
    assert [type(action) for action in decide(seen).actions] == [ReleasePod, RemoveFinalizer][not ended :]


def test_a_job_whose_attempt_may_have_begun_waits_for_the_ledger() -> None:
    """A child, or a pod that costs money, is enough: the status may not have been written."""
    for around in ({"child": child(deleting=True)}, {"pods": (pod(),)}):
        plan = decide(observed(deleted=-1, status={"observedGeneration": 1}, claims=None, node_labels={}, **around))
        assert RemoveFinalizer() not in plan.actions


def test_a_terminating_namespace_waits_for_nothing() -> None:
    """Not for pods, rows, nor the ledger."""
    plan = decide(
        observed(
            deleted=-1,
            status=running_status(),
            child=child(),
            pods=(pod(deletion_time=at(4)),),
            claims=None,
            namespace_terminating=True,
        )
    )
    assert [type(action) for action in plan.actions] == [BookSpend, DeleteChild, ReleasePod, EndRun, RemoveFinalizer]
    assert not any(getattr(action, "required", False) for action in plan.actions)


def test_in_a_terminating_namespace_pods_go_before_the_job_is_deleted() -> None:
    """The namespace's pods are deleted first; the TrainingJob's own deletion comes later."""
    pods = (pod(deletion_time=at(4)),)
    seen = observed(status=running_status(), child=child(), pods=pods, claims=None, namespace_terminating=True)
    assert [type(action) for action in decide(seen).actions] == [BookSpend, DeleteChild, ReleasePod]


def test_a_job_that_we_dont_hold_is_left_alone() -> None:
    """Its finalizer is off: it goes as it is."""
    seen = observed(deleted=-1, status=running_status(cost=SETTLED))
    free = seen.job.metadata.model_copy(update={"finalizers": ["somebody.else/keeps"]})
    plain = observed(deleted=-1, status=running_status(cost=SETTLED))
    object.__setattr__(plain, "job", plain.job.model_copy(update={"metadata": free}))
    assert decide(plain).actions == ()

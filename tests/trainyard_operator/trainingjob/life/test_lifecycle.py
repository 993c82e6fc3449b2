"""Claims about where a job goes from here, through the one decision."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainyard_operator.builders import (
    POD_UID,
    PREFIX,
    at,
    checkpoint,
    child,
    claim,
    conditions,
    decide,
    ended_pod,
    ended_record,
    next_status,
    observed,
    pod,
    running_status,
    stop_record,
    summary_of,
    time_text,
)
from trainyard_api.conditions import ConditionType
from trainyard_operator.trainingjob.decision.actions import (
    BookClaim,
    DeleteChild,
    DeletePod,
    EndRun,
    RecordCancel,
    RecordStop,
    ReleasePod,
    StartAttempt,
    StoreCheckpoint,
)
from trainyard_operator.trainingjob.stops.wanted import StopCause

DONE = f'{{"reason": "Completed", "committedUri": "{PREFIX}step-10-9d2f0c3e/"}}'
BOOKED = {"spentUSD": "0.1000", "settledUSD": "0.037500", "settledPods": [{"uid": POD_UID}]}
CANCELLED = {"cancel": True}
SUSPENDED = {"suspend": True}


def _ended(reason: str = "TrainerCrashed", **changes: Any) -> dict[str, Any]:
    """The status of a job whose attempt has ended and is booked."""
    return running_status(attempt=ended_record(reason, **changes), cost=BOOKED)


@pytest.mark.parametrize("cause", [StopCause.CANCELLED, StopCause.SUSPENDED])
def test_a_stop_takes_child_and_pod_together(cause: StopCause) -> None:
    """The cause on record first; while the pod saves, nothing more is done and the status says Stopping."""
    spec = CANCELLED if cause is StopCause.CANCELLED else SUSPENDED
    status = running_status(cancelTime=time_text(-60)) if cause is StopCause.CANCELLED else running_status()
    first = decide(observed(spec=spec, status=status, child=child(), pods=(pod(),)))
    assert first.actions == (RecordStop(cause.value, 1), DeleteChild(child()), DeletePod(pod()))
    stopped = status | {"stop": stop_record(cause)}
    saving = decide(observed(spec=spec, status=stopped, child=child(deleting=True), pods=(pod(deletion_time=at(4)),)))
    assert saving.actions == ()
    for plan in (first, saving):
        assert summary_of(plan) == ("Unknown", "Stopping")
        assert conditions(plan)[ConditionType.SUCCEEDED]["message"].startswith(f"{cause.value}: ")


def test_a_job_is_held_only_when_all_is_quiet() -> None:
    """Its pod has ended, the verdict is on record, the cost booked: Suspended, and no longer Reconciling."""
    status = running_status(stop=stop_record())
    pods = (ended_pod(10),)
    first = decide(observed(spec=SUSPENDED, status=status, pods=pods))
    assert summary_of(first) == ("Unknown", "Stopping")
    assert conditions(first)[ConditionType.SUSPENDED]["status"] == "False"
    # The half of the money was written, the other one not.
    unjudged = next_status(first) | {"stop": stop_record(), "attempt": running_status().get("attempt")}
    assert summary_of(decide(observed(spec=SUSPENDED, status=unjudged, pods=pods))) == ("Unknown", "Stopping")
    second = decide(observed(spec=SUSPENDED, status=next_status(first) | {"stop": stop_record()}, pods=pods))
    assert summary_of(second) == ("Unknown", "Suspended")
    found = conditions(second)
    assert (found[ConditionType.SUSPENDED]["status"], found[ConditionType.RECONCILING]["status"]) == ("True", "False")
    assert found[ConditionType.FINISHED]["status"] == "False"


@pytest.mark.parametrize(
    ("changes", "follows"),
    [
        ({"latestCheckpointRef": {"name": "sums-5b1c0-1-5"}}, "it goes on from its newest checkpoint when"),
        ({}, "it begins again, for it has no checkpoint yet, when"),
        ({"restarts": {"attempt": 1, "heldFor": "0a"}}, "an edit of spec.trainer or spec.retry is still waited for"),
    ],
)
def test_a_suspended_job_says_what_follows(changes: dict[str, Any], follows: str) -> None:
    """Also while the ledger is away."""
    status = running_status(cost=BOOKED, attempt=ended_record("Stopped", counts=False), stop=stop_record()) | changes
    for around in ({}, {"claims": None}):
        plan = decide(observed(spec=SUSPENDED, status=status, **around))
        assert follows in conditions(plan)[ConditionType.SUSPENDED]["message"]
    fresh = decide(observed(spec=SUSPENDED))
    assert conditions(fresh)[ConditionType.SUSPENDED]["message"].startswith("Held by spec.suspend; it begins when")


def test_a_job_that_is_suspended_before_it_began_starts_nothing() -> None:
    """Held at once; it waits for no model, no price, no ledger."""
    for around in ({}, {"claims": None}):
        plan = decide(observed(spec=SUSPENDED, **around))
        assert plan.actions == ()
        assert summary_of(plan) == ("Unknown", "Suspended")


def test_a_verdict_is_on_record_before_the_child_is_stopped() -> None:
    """The evidence goes with the pod: first the record, then the deletion."""
    waiting = pod(started=False, waiting_reason="ErrImagePull", bound_time=at(-700))
    never = {"number": 1, "jobRef": {"name": "sums-1", "uid": "child-uid"}}
    first = decide(observed(status=running_status(attempt=never), child=child(), pods=(waiting,)))
    assert first.actions == ()
    assert first.operator_half["attempt"]["ending"]["reason"] == "ImageUnavailable"
    assert summary_of(first) == ("Unknown", "Stopping")
    second = decide(observed(status=next_status(first), child=child(), pods=(waiting,)))
    assert second.actions == (DeleteChild(child()), DeletePod(waiting))


def test_a_failure_repeats_its_cause() -> None:
    """Succeeded says Failed with the message of Stalled; the pod is released in the pass before."""
    pods = (ended_pod(20, '{"reason": "UnknownTask", "message": "no such task"}'),)
    first = decide(observed(status=running_status(), child=child(), pods=pods))
    assert summary_of(first) == ("Unknown", "Stopping")
    plan = decide(observed(status=next_status(first), child=child(), pods=pods))
    assert summary_of(plan) == ("False", "Failed")
    found = conditions(plan)
    assert found[ConditionType.STALLED]["reason"] == "UnknownTask"
    assert found[ConditionType.STALLED]["message"] == found[ConditionType.SUCCEEDED]["message"] == "no such task"
    assert found[ConditionType.RECONCILING]["status"] == "False"
    assert found[ConditionType.FINISHED]["status"] == "True"


def test_what_has_ended_for_good_is_not_called_off() -> None:
    """A cancellation that comes after the last step, or after the user's mistake, changes no verdict."""
    one = claim(10)
    record = ended_record("Completed", success=True, counts=None, committedUri=one.uri)
    status = running_status(attempt=record, cost=BOOKED, cancelTime=time_text(-60))
    objects = (checkpoint(one),)
    done = observed(spec=CANCELLED, status=status, pods=(ended_pod(0, DONE),), claims=(one,), checkpoints=objects)
    assert summary_of(decide(done)) == ("True", "Completed")
    refused = _ended("UnknownTask", counts=None, final=True) | {"cancelTime": time_text(-60)}
    assert summary_of(decide(observed(spec=CANCELLED, status=refused))) == ("False", "Failed")


def test_a_model_that_can_never_come_ends_a_job_in_one_pass() -> None:
    """Nothing was started, so nothing needs to be waited for."""
    plan = decide(observed(spec={"model": {"checkpoint": {"trainingJob": "sums"}}}))
    assert plan.actions == (EndRun("CheckpointUnavailable"),)
    assert summary_of(plan) == ("False", "Failed")
    assert conditions(plan)[ConditionType.STALLED]["reason"] == "CheckpointUnavailable"


def test_a_manifest_that_cant_be_read_begins_nothing_but_what_runs_goes_on() -> None:
    """It is said; a pod that trains is neither stopped nor followed by another."""
    told = {"unreadable": 'spec.trainer.cpu: must be a quantity; got "many"'}
    idle = decide(observed(**told))
    assert (idle.actions, summary_of(idle)) == ((), ("Unknown", "Queued"))
    assert conditions(idle)[ConditionType.DEGRADED]["reason"] == "InvalidSpec"
    running = decide(observed(status=running_status(), child=child(), pods=(pod(),), **told))
    assert (running.actions, summary_of(running)) == ((), ("Unknown", "Running"))
    crashed = decide(observed(status=_ended(), child=child(finished=True), pods=(ended_pod(1),), **told))
    assert (crashed.actions, summary_of(crashed)) == ((ReleasePod(ended_pod(1)),), ("Unknown", "Queued"))


def test_a_child_without_a_pod_is_waited_for() -> None:
    """By the name of its Job."""
    plan = decide(observed(status={"attempts": 1}, child=child()))
    found = conditions(plan)[ConditionType.SUCCEEDED]
    assert (found["reason"], found["message"]) == (
        "Starting",
        "Waiting for the Job controller to make the trainer pod of Job sums-1.",
    )


def test_a_held_job_books_what_its_pod_could_only_name() -> None:
    """The next attempt goes on from it."""
    one = claim(7)
    committed = {"uri": one.uri, "digest": one.digest, "step": 7}
    status = _ended("Stopped", counts=None, committed=committed)
    held = decide(observed(spec=SUSPENDED, status=status))
    assert [type(action) for action in held.actions] == [BookClaim]
    assert summary_of(held) == ("Unknown", "Suspended")
    assert decide(observed(spec=SUSPENDED, status=status, claims=(one,))).actions == (StoreCheckpoint(one),)


def test_a_cancelled_job_at_rest_has_ended() -> None:
    """Its cancellation is latched, its run ended; a crash before it changes nothing."""
    for status in (_ended("Stopped", counts=None), _ended(), {"observedGeneration": 1}):
        plan = decide(observed(spec=CANCELLED, status=status | {"cancelTime": time_text(-60)}))
        assert EndRun("Cancelled") in plan.actions
        assert summary_of(plan) == ("False", "Cancelled")
    first = decide(observed(spec=CANCELLED))
    assert RecordCancel() in first.actions
    assert RecordCancel() not in decide(observed(spec=CANCELLED, status={"cancelTime": time_text(-60)})).actions


def test_a_crash_is_followed_by_another_attempt() -> None:
    """When its pause is over, and what it left is gone."""
    paused = decide(observed(status=_ended()), now=at(-1))
    assert summary_of(paused) == ("Unknown", "Restarting")
    assert paused.operator_half["attempts"] == 1
    again = decide(observed(status=_ended()))
    assert again.operator_half["attempts"] == 2
    started = decide(observed(status=next_status(again)))
    assert started.actions == (StartAttempt(2),)
    assert started.operator_half["jobRef"] == {"name": "sums-2"}

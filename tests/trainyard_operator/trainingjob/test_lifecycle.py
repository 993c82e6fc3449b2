"""Claims about a job's start and end, through the one decision."""

from __future__ import annotations

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
    next_status,
    observed,
    open_pod,
    pod,
    running_status,
    summary_of,
)
from trainyard_api.conditions import ConditionType
from trainyard_operator.money.booking import BookSpend
from trainyard_operator.trainingjob.actions import (
    DeleteChild,
    EndRun,
    ReleasePod,
    StartAttempt,
    StoreCheckpoint,
)

DONE = f'{{"reason": "Completed", "committedUri": "{PREFIX}step-10-9d2f0c3e/"}}'
BOOKED = {"spentUSD": "0.1000", "settledUSD": "0.037500", "settledPods": [{"uid": POD_UID}]}
RECORDED = {"spentUSD": "0.1000", "settledUSD": "0.000000", "openPods": [open_pod(end=-10)]}


def test_success_waits_for_booking_and_the_final_checkpoint() -> None:
    """Pod ended; end recorded; booked and stored; only then Completed."""
    pods, one = (ended_pod(0, DONE),), claim(10)
    first = decide(observed(status=running_status(), child=child(), pods=pods, claims=(one,)))
    assert (summary_of(first), first.actions) == (("Unknown", "Running"), (StoreCheckpoint(one),))
    second = decide(observed(status=running_status(cost=RECORDED), child=child(), pods=pods, claims=(one,)))
    assert summary_of(second) == ("Unknown", "Running")
    stored = observed(
        status=running_status(cost=RECORDED), child=child(), pods=pods, claims=(one,), checkpoints=(checkpoint(one),)
    )
    last = decide(stored)
    assert [type(action) for action in last.actions] == [BookSpend, EndRun]
    assert summary_of(last) == ("True", "Completed")
    assert last.operator_half["latestCheckpointRef"]["name"] == checkpoint(one).metadata.name
    assert "completionTime" in last.operator_half


@pytest.mark.parametrize("claims", [(), (claim(5),), (claim(10, digest="md5:0"),)])
def test_without_an_accepted_claim_to_its_final_checkpoint_a_job_has_failed(claims: tuple) -> None:
    """Its pod has ended, so the row can't come any more: to wait would be to wait for ever."""
    objects = tuple(checkpoint(each) for each in claims if each.step == 5)
    status = running_status(cost=BOOKED)
    seen = observed(status=status, child=child(), pods=(ended_pod(0, DONE),), claims=claims, checkpoints=objects)
    plan = decide(seen)
    assert summary_of(plan) == ("False", "Failed")
    stalled = conditions(plan)[ConditionType.STALLED]
    assert stalled["reason"] == "ResultMissing"
    assert stalled["message"].startswith("committedUri: ")
    assert stalled["message"].endswith(f'got "{PREFIX}step-10-9d2f0c3e/"')


def test_while_the_ledger_is_away_no_job_succeeds_or_fails_by_its_claims() -> None:
    """The row may be there."""
    seen = observed(status=running_status(cost=BOOKED), child=child(), pods=(ended_pod(0, DONE),), claims=None)
    assert summary_of(decide(seen)) == ("Unknown", "Running")


def test_a_job_has_failed_only_when_its_child_can_make_no_more_pods() -> None:
    """A pod that was deleted before it had a node cost nothing, and its Job may not have noticed yet."""
    gone = pod(bound_time=None, node_name=None, started=False, phase="Pending", deletion_time=at(0))
    status = running_status(cost={"spentUSD": "0.0000", "settledUSD": "0.000000"})
    first = decide(observed(status=status, child=child(), pods=(gone,)))
    assert (summary_of(first), first.actions) == (("Unknown", "Stopping"), ())
    second = decide(observed(status=next_status(first), child=child(), pods=(gone,)))
    assert (summary_of(second), second.actions) == (("Unknown", "Stopping"), (DeleteChild(child()), ReleasePod(gone)))
    last = decide(observed(status=next_status(second), child=child(deleting=True)))
    assert summary_of(last) == ("False", "Failed")


def test_a_verdict_is_on_record_before_the_child_is_stopped() -> None:
    """The evidence goes with the pod: first Stalled, then the deletion."""
    waiting = pod(started=False, waiting_reason="ErrImagePull", bound_time=at(-700))
    first = decide(observed(status=running_status(), child=child(), pods=(waiting,)))
    assert first.actions == ()
    assert conditions(first)[ConditionType.STALLED]["reason"] == "ImageUnavailable"
    assert summary_of(first) == ("Unknown", "Stopping")
    second = decide(observed(status=next_status(first), child=child(), pods=(waiting,)))
    assert second.actions == (DeleteChild(child()),)


def test_a_failure_repeats_its_cause() -> None:
    """Succeeded says Failed with the message of Stalled; the pod is released in the pass after."""
    seen = observed(status=running_status(cost=RECORDED), child=child(), pods=(ended_pod(3, "boom"),))
    plan = decide(seen)
    assert summary_of(plan) == ("False", "Failed")
    found = conditions(plan)
    assert found[ConditionType.STALLED]["message"] == found[ConditionType.SUCCEEDED]["message"]
    assert found[ConditionType.RECONCILING]["status"] == "False"
    after = decide(observed(status=next_status(plan), child=child(), pods=(ended_pod(3, "boom"),)))
    assert after.actions == (ReleasePod(ended_pod(3, "boom")),)


def test_a_model_that_can_never_come_ends_a_job_in_one_pass() -> None:
    """Nothing was started, so nothing needs to be waited for."""
    plan = decide(observed(spec={"model": {"checkpoint": {"trainingJob": "sums"}}}))
    assert plan.actions == (EndRun("CheckpointUnavailable"),)
    assert summary_of(plan) == ("False", "Failed")
    assert conditions(plan)[ConditionType.STALLED]["reason"] == "CheckpointUnavailable"


def test_a_refused_start_is_said_once_and_tried_again() -> None:
    """A quota, say: the status names the cause, then every pass tries; once it is made, all is well."""
    why = 'metadata.name: its pod can\'t be made: exceeded quota (403 Forbidden); got "sums"'
    first = decide(observed(refusals={"sums-1": why}))
    assert first.actions == ()
    assert (summary_of(first), "attempts" in first.operator_half) == (("Unknown", "Queued"), False)
    degraded = conditions(first)[ConditionType.DEGRADED]
    assert (degraded["status"], degraded["reason"], degraded["message"]) == ("True", "StartRefused", why)
    second = decide(observed(status=next_status(first), refusals={"sums-1": why}))
    assert second.actions == (StartAttempt(1),)
    made = decide(observed(status=next_status(second), child=child(), refusals={"sums-1": why}))
    assert conditions(made)[ConditionType.DEGRADED]["status"] == "False"

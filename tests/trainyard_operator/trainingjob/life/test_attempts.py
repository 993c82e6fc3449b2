"""Claims about how attempts follow each other."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainyard_operator.builders import (
    NOW,
    POD_UID,
    PREFIX,
    at,
    checkpoint,
    child,
    claim,
    ended_pod,
    ended_record,
    open_pod,
    pod,
    running_status,
    situation,
    stop_record,
    time_text,
)
from trainyard_api.conditions import ConditionType
from trainyard_api.training_job_status import MAX_PODS
from trainyard_operator.trainingjob.attempt.restarts import digest
from trainyard_operator.trainingjob.attempt.standing import Ended, NotBegun
from trainyard_operator.trainingjob.decision.actions import BookClaim, DeleteChild, DeletePod, StartAttempt
from trainyard_operator.trainingjob.decision.findings import Finding
from trainyard_operator.trainingjob.decision.observed import Refusal
from trainyard_operator.trainingjob.life import attempts

COST = {"spentUSD": "0.1000", "settledUSD": "0.037500", "settledPods": [{"uid": POD_UID}]}
START = (StartAttempt(1),)


def _begin(**around: Any) -> Finding:
    found = situation(**around)
    assert isinstance(found.view, NotBegun)
    return attempts.begin(found, found.view)


def _follow(*, now: Any = NOW, **around: Any) -> Finding:
    found = situation(now=now, **around)
    assert isinstance(found.view, Ended)
    return attempts.follow(found, found.view)


def _said(found: Finding) -> tuple[str, str]:
    return next((c.reason, c.message) for c in found.conditions if c.kind is ConditionType.SUCCEEDED)


def _degraded(found: Finding) -> str | None:
    return next((c.reason for c in found.conditions if c.kind is ConditionType.DEGRADED), None)


def _next(number: int = 2) -> dict[str, Any]:
    """The status of a job whose next attempt was announced."""
    status = running_status(attempts=number, attempt={"number": number, "firstStartTime": time_text(-90)}, cost=COST)
    return {name: part for name, part in status.items() if name not in {"podRef", "jobRef"}}


def test_a_start_is_on_record_before_its_job_is_made() -> None:
    """Number, Job and time are fields of the very status that the action comes after."""
    found = _begin()
    assert found.actions == START
    assert found.fields == {
        "attempts": 1,
        "jobRef": {"name": "sums-1"},
        "startTime": time_text(0),
        "attempt": {"number": 1, "trainerDigest": digest(situation().observed.spec.trainer)},
    }
    assert _said(found) == ("Starting", "The trainer pod is being made.")
    later = _begin(status=_next())
    assert later.actions == (StartAttempt(2),)
    assert (later.fields["attempts"], later.fields["jobRef"]) == (2, {"name": "sums-2"})
    assert (later.fields["startTime"], later.fields["attempt"]["firstStartTime"]) == (time_text(-110), time_text(-90))


def test_a_start_waits_for_what_stands_in_its_way() -> None:
    """A stranger's Job, one that is going, a gate, a pod of the run that hasn't ended: each is said."""
    stranger = _begin(child=child(ours=False))
    assert (stranger.actions, _said(stranger)[0]) == ((), "Queued")
    assert "isn't controlled by this TrainingJob" in _said(stranger)[1]
    leaving = _begin(child=child(deleting=True))
    assert (leaving.actions, _said(leaving)) == ((), ("Queued", "An earlier Job of this attempt has to go first."))
    away = _begin(claims=None)
    assert away.actions == ()
    assert "can't reach its Postgres database" in _said(away)[1]
    former = pod()
    side = _begin(status=_next(), pods=(former,))
    assert (side.actions, _said(side)) == ((DeletePod(former),), ("Queued", "An earlier pod has to end first."))
    assert _begin(status=_next(), pods=(ended_pod(1),)).actions == (StartAttempt(2),)


def test_two_pods_never_train_side_by_side() -> None:
    """One that may still get a node is as good as one that runs."""
    for facts in ({}, {"bound_time": None, "node_name": None, "phase": "Pending"}, {"deletion_time": at(4)}):
        found = _begin(status=_next(), pods=(pod(**facts),))
        assert not any(isinstance(action, StartAttempt) for action in found.actions), facts


def test_a_name_is_used_once() -> None:
    """A Job that was made and is gone without a pod: the next number, in a status of its own, before its Job."""
    status = running_status() | {"podRef": None}
    found = _begin(status={name: part for name, part in status.items() if part is not None})
    assert found.actions == ()
    assert found.fields["attempts"] == 2
    assert found.fields["attempt"] == {"number": 2, "firstStartTime": time_text(-90)}
    assert found.fields["restarts"] is None
    assert (found.fields["podRef"], found.fields["jobRef"]) == (None, None)
    assert _said(found) == ("Restarting", "Attempt 2 begins.")
    counted = status | {"restarts": {"attempt": 1, "crashes": 2}}
    kept = _begin(status={name: part for name, part in counted.items() if part is not None})
    assert kept.fields["restarts"].items() >= {"attempt": 1, "crashes": 2}.items()
    going = _begin(status={name: part for name, part in status.items() if part is not None}, child=child(deleting=True))
    assert (going.actions, "attempts" in going.fields) == ((), False)


def test_more_pods_than_the_status_holds_start_none() -> None:
    """Those that aren't booked count, by object and by row."""
    entry = {"boundTime": time_text(-100), "endTime": time_text(-10), "ratePerHourUSD": "1"}
    rows = [{"uid": f"u{n}", "name": f"p{n}", **entry} for n in range(MAX_PODS - 1)]
    status = _next() | {"cost": COST | {"settledPods": rows}}
    assert _begin(status=status).actions == (StartAttempt(2),)
    full = _begin(status=status, pods=(ended_pod(1, uid="another"),))
    assert (full.actions, _degraded(full), _said(full)[0]) == ((), "TooManyPods", "Queued")
    assert f"holds {MAX_PODS} pods" in _said(full)[1]


def test_a_refused_start_is_said_and_tried_again_after_a_rest() -> None:
    """A quota, say: every pass would ask for it otherwise."""
    resting = _begin(refused_start=Refusal("exceeded quota", at(1)))
    assert (resting.actions, _degraded(resting), _said(resting)) == ((), "StartRefused", ("Queued", "exceeded quota"))
    assert "attempts" not in resting.fields
    tried = _begin(refused_start=Refusal("exceeded quota", at(0)))
    assert (tried.actions, _degraded(tried), tried.fields["attempts"]) == (START, "StartRefused", 1)


def test_the_verdict_is_on_record_before_another_attempt_is_thought_of() -> None:
    """Else a crash here would forget why."""
    found = _follow(status=running_status(), child=child(), pods=(ended_pod(1),))
    assert (found.actions, found.fields, _said(found)[0]) == ((), {}, "Restarting")


def _ended(reason: str = "TrainerCrashed", cost: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return running_status(attempt=ended_record(reason, **changes), cost=cost or COST)


def test_another_attempt_waits_until_the_last_one_is_settled() -> None:
    """Other containers stopped, its checkpoint claimed, its cost in the status, the ledger up."""
    going_on = ended_pod(1, phase="Running", all_ended=False)
    stopped = _follow(status=_ended(), child=child(), pods=(going_on,))
    assert [type(action).__name__ for action in stopped.actions] == ["DeletePod"]
    one = claim()
    named = _ended("Stopped", committed={"uri": one.uri, "digest": one.digest, "step": one.step})
    claimed = _follow(status=named)
    assert [type(action) for action in claimed.actions] == [BookClaim]
    unsettled = _follow(status=_ended(cost={"spentUSD": "0.1", "settledUSD": "0", "openPods": [open_pod()]}))
    away = _follow(status=_ended(), claims=None)
    assert "can't reach its Postgres database" in _said(away)[1]
    for found in (stopped, claimed, unsettled, away):
        assert (_said(found)[0], found.fields) == ("Restarting", {})
    assert _said(unsettled)[1] == _said(stopped)[1] == "why"


def test_the_pause_and_the_job_that_goes_are_waited_for() -> None:
    """What is counted is on record meanwhile; the earlier Job has to be gone before the next number is written."""
    failed = child(failed=True)
    paused = _follow(status=_ended(), now=at(-1), child=failed, pods=(ended_pod(1),))
    assert paused.actions == ()
    assert _said(paused) == ("Restarting", f"Attempt 2 begins at {time_text(0)}: why")
    assert paused.fields["restarts"].items() >= {"attempt": 1, "crashes": 1, "nextTime": time_text(0)}.items()
    gone = _follow(status=_ended(), child=failed, pods=(ended_pod(1),))
    assert gone.actions == (DeleteChild(failed),)
    going = _follow(status=_ended(), child=child(deleting=True))
    assert going.actions == ()
    assert _said(going) == ("Restarting", "The earlier Job has to go first.")
    assert set(going.fields) == set(paused.fields) == {"restarts"}
    strangers = _follow(status=_ended(), child=child(ours=False))
    assert strangers.fields["attempts"] == 2, "the next Job has another name"


def test_then_the_next_number_is_announced() -> None:
    """In a status of its own: its Job is made from what that holds."""
    found = _follow(status=_ended(), pods=(ended_pod(1),))
    assert (found.actions, _said(found)) == ((), ("Restarting", "Attempt 2 begins."))
    assert found.fields["attempts"] == 2
    assert found.fields["attempt"] == {"number": 2, "firstStartTime": time_text(-90)}
    assert (found.fields["podRef"], found.fields["jobRef"]) == (None, None)
    assert found.fields["restarts"].items() >= {"attempt": 1, "crashes": 1}.items()


def test_what_counts_as_progress_is_a_checkpoint_that_is_accepted() -> None:
    """Whether its object is made yet or not; one that is refused is none."""
    former = {"attempt": 0, "crashes": 3, "inARow": 3, "checkpointUri": claim(5).uri}
    for claims, crashes in (
        ((claim(5),), None),
        ((claim(5), claim(10)), 1),
        ((claim(5), claim(10, digest="md5:0")), None),
    ):
        objects = (checkpoint(claim(5)),)
        found = _follow(status=_ended() | {"restarts": former}, claims=claims, checkpoints=objects)
        if crashes is None:
            assert (_degraded(found), found.fields["restarts"]["crashes"]) == ("RestartsExhausted", 4)
        else:
            assert (found.fields["restarts"]["crashes"], found.fields["attempts"]) == (crashes, 2)


def test_a_held_job_says_which_field_to_edit() -> None:
    """Degraded with the reason; Succeeded stays Unknown, no number is announced, and its pod stays to be looked at."""
    status = _ended() | {"restarts": {"attempt": 0, "crashes": 3}}
    found = _follow(status=status, child=child(failed=True), pods=(ended_pod(1),))
    assert found.actions == ()
    assert _said(found)[1].endswith(f" Its log, if it ran for 30 s: {PREFIX}logs/attempt-1.log")
    makes_more = _follow(status=status, child=child())
    assert makes_more.actions == (DeleteChild(child()),)
    assert (_degraded(found), _said(found)[0]) == ("RestartsExhausted", "Restarting")
    assert _said(found)[1].startswith("spec.retry.maxRestarts: ")
    assert set(found.fields) == {"restarts"}
    assert found.fields["restarts"]["heldReason"] == "RestartsExhausted"


@pytest.mark.parametrize("reason", ["Stopped", "StoppedUnsaved"])
def test_after_a_suspension_the_next_attempt_begins_at_once(reason: str) -> None:
    """Nothing is counted and nothing waited for."""
    status = _ended(reason, counts=False) | {"stop": stop_record()}
    found = _follow(status=status, now=at(-10))
    assert found.fields["attempts"] == 2
    assert found.fields["restarts"].items() >= {"attempt": 1, "crashes": 0, "interruptions": 0}.items()

"""Claims about where an attempt stands."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainyard_operator.builders import (
    NOW,
    POD_UID,
    at,
    child,
    ended_pod,
    ended_record,
    observed,
    pod,
    reported,
    run,
    running_status,
    stop_record,
    time_text,
)
from trainyard_api.conditions import ConditionType
from trainyard_operator.trainingjob.attempt import standing
from trainyard_operator.trainingjob.attempt.standing import Alive, AttemptView, Ended, NotBegun, Waiting
from trainyard_operator.trainingjob.decision.actions import EnsureRunConfig
from trainyard_operator.trainingjob.decision.findings import Finding
from trainyard_operator.trainingjob.decision.observed import Observed

UNBOUND: dict[str, Any] = {
    "bound_time": None,
    "node_name": None,
    "phase": "Pending",
    "started": False,
}
NEVER_STARTED = running_status(attempt={"number": 1, "jobRef": {"name": "sums-1", "uid": "child-uid"}})


def _look(**around: Any) -> AttemptView:
    return standing.look(observed(**around), run(), NOW)


def _show(seen: Observed) -> Finding:
    return standing.show(seen, standing.look(seen, run(), NOW), NOW)


def _ended(view: AttemptView) -> Ended:
    assert isinstance(view, Ended)
    return view


def test_without_child_and_pod_nothing_has_begun() -> None:
    """Only then may a start be planned."""
    assert _look() == NotBegun()
    assert _look(child=child()) == Waiting(child())
    assert isinstance(_look(pods=(pod(),)), Alive)
    assert isinstance(_look(status=running_status()), Ended)


def test_a_child_that_isnt_ours_stands_in_the_way() -> None:
    """A stranger's: not begun, Degraded with the name."""
    view = _look(child=child(ours=False))
    assert isinstance(view, NotBegun)
    assert (view.leaving, view.problem and view.problem.reason) == (False, "NameConflict")
    assert view.problem is not None
    assert view.problem.message == (
        'metadata.name: the Job "sums-1" exists and isn\'t controlled by this TrainingJob; got "sums"'
    )
    assert [problem.reason for problem in _show(observed(child=child(ours=False))).problems] == ["NameConflict"]


def test_a_child_that_is_going_is_waited_for() -> None:
    """It is no problem: what a stop has deleted has to go first."""
    assert _look(child=child(deleting=True)) == NotBegun(leaving=True)


@pytest.mark.parametrize(
    ("facts", "reason", "message", "trouble"),
    [
        ({}, "Running", "Pod sums-1-abcde is training.", None),
        (UNBOUND, "Starting", "Pod sums-1-abcde is waiting for a node.", None),
        (
            UNBOUND | {"unschedulable": "0/3 nodes"},
            *("Starting", "Pod sums-1-abcde can't be scheduled: 0/3 nodes", "Unschedulable"),
        ),
        ({"started": False}, "Starting", "Pod sums-1-abcde is starting on node node-1.", None),
        ({"started": False, "waiting_reason": "ErrImagePull"}, "Starting", None, "ImageUnavailable"),
        ({"deletion_time": at(5)}, "Stopping", "Pod sums-1-abcde is being stopped.", None),
    ],
)
def test_a_pod_that_lives_gives_the_reason(
    facts: dict[str, Any], reason: str, message: str | None, trouble: str | None
) -> None:
    """And what may still resolve is a problem, not an end."""
    view = _look(child=child(), pods=(pod(**facts),))
    assert isinstance(view, Alive)
    assert (view.reason, view.problem and view.problem.reason) == (reason, trouble)
    assert message is None or view.message == message
    assert view.problem is None or view.problem.message == view.message


def test_the_run_config_is_made_sure_of_until_the_pod_has_started() -> None:
    """The process may have died between making Job and ConfigMap; a job that is to stop needs none."""
    ensure = (EnsureRunConfig(child()),)
    assert _show(observed(child=child())).actions == ensure
    assert _show(observed(child=child(), pods=(pod(**UNBOUND),))).actions == ensure
    assert _show(observed(child=child(), pods=(pod(),))).actions == ()
    assert _show(observed(child=child(), spec={"suspend": True})).actions == ()
    assert _show(observed(child=child(ours=False), pods=(pod(**UNBOUND),))).actions == ()
    assert _show(observed(pods=(pod(**UNBOUND),))).actions == ()
    assert _show(observed()).actions == ()


def test_a_pod_on_record_that_is_gone_is_lost() -> None:
    """Even if the child Job would make another; so is one whose Job ended without a pod."""
    for around in ({"status": running_status(), "child": child()}, {"child": child(finished=True)}):
        view = _ended(_look(**around))
        assert (view.outcome.reason, view.pod, view.on_record) == ("PodLost", None, False)


def test_the_pod_on_record_counts_not_the_newest() -> None:
    """A second pod of the attempt changes nothing; without a record the oldest counts, and none of another attempt."""
    other = pod(uid="other", created_time=at(-1))
    for status in (running_status(), {"attempts": 1}):
        view = _look(status=status, child=child(), pods=(other, pod()))
        assert isinstance(view, Alive)
        assert view.pod.uid == POD_UID
    late = pod(attempt=2)
    assert _look(status={"attempts": 1}, child=child(), pods=(late,)) == Waiting(child())


def test_a_verdict_on_record_stands() -> None:
    """Whatever becomes of the evidence: the pod that waited for its image was killed for it."""
    status = running_status(attempt=ended_record("ImageUnavailable", final=True))
    view = _ended(_look(status=status, child=child(), pods=(ended_pod(137),)))
    assert (view.outcome.reason, view.outcome.message, view.outcome.final) == ("ImageUnavailable", "why", True)
    assert view.on_record
    assert view.pod == ended_pod(137)
    kept = _show(observed(status=status, pods=(ended_pod(137),))).fields["attempt"]
    assert kept["ending"].items() >= status["attempt"]["ending"].items()


def test_the_verdict_of_an_earlier_attempt_isnt_this_ones() -> None:
    """Its record is of its number."""
    status = {"attempts": 2, "attempt": ended_record("TrainerCrashed", number=1)}
    assert _look(status=status) == NotBegun()
    assert _look(status=status, child=child()) == Waiting(child())


def test_an_end_is_put_on_record_with_the_step_that_was_reported() -> None:
    """Time, reason, step; the pod's and the Job's names stay."""
    status = running_status(progress={"step": 7})
    fields = _show(observed(status=status, child=child(), pods=(ended_pod(3, "boom"),))).fields
    assert fields["attempt"]["ending"] == {
        "reason": "TrainerCrashed",
        "message": "pod sums-1-abcde ended with exit code 3: 'boom'",
        "time": time_text(0),
        "success": False,
        "final": False,
        "counts": True,
        "step": 7,
    }
    assert fields["podRef"] == {"name": "sums-1-abcde", "uid": POD_UID}
    assert (fields["attempts"], fields["jobRef"], fields["startTime"]) == (1, {"name": "sums-1"}, time_text(-110))


def test_the_first_start_is_remembered_for_ever() -> None:
    """What a manifest asks for has worked once: from then on an image that is gone is a passing trouble."""
    waiting = pod(started=False, waiting_reason="ErrImagePull", bound_time=at(-700))
    never = _ended(_look(status=NEVER_STARTED, child=child(), pods=(waiting,)))
    assert (never.outcome.reason, never.outcome.final, never.outcome.counts) == ("ImageUnavailable", True, False)
    once = _ended(_look(status=running_status(), child=child(), pods=(waiting,)))
    assert (once.outcome.final, once.outcome.counts) == (False, True)
    fields = _show(observed(status=NEVER_STARTED, child=child(), pods=(pod(),))).fields
    assert fields["attempt"]["firstStartTime"] == time_text(0)


def test_a_stop_that_was_asked_for_is_told_apart() -> None:
    """By the record of this attempt's stop, or because one is wanted now: the record may have failed."""
    ended = (ended_pod(10, deletion_time=at(-20)),)
    for around in ({"status": running_status(stop=stop_record())}, {"spec": {"suspend": True}}):
        assert _ended(_look(child=child(), pods=ended, **around)).outcome.reason == "Stopped"
    former = running_status(stop=stop_record(attempt=2))
    assert _ended(_look(status=former, child=child(), pods=ended)).outcome.reason == "Interrupted"


@pytest.mark.parametrize("around", [{"status": running_status(stop=stop_record())}, {"spec": {"suspend": True}}])
def test_an_end_before_the_stop_keeps_its_cause(around: dict[str, Any]) -> None:
    """A crash that is seen when the stop is wanted, or long after one whose deletion was refused."""
    crash = _ended(_look(child=child(), pods=(ended_pod(1),), **around))
    assert (crash.outcome.reason, crash.outcome.counts) == ("TrainerCrashed", True)
    gone = _ended(_look(child=child(), **({"status": running_status()} | around)))
    assert gone.outcome.reason == "StoppedUnsaved"


def test_a_deadline_counts_only_of_our_own_job() -> None:
    """A stranger's Job of that name says nothing."""
    late = child(finished=True, deadline_exceeded=True)
    assert _ended(_look(child=late, pods=(ended_pod(10),))).outcome.reason == "DeadlineExceeded"
    strange = child(finished=True, deadline_exceeded=True, ours=False)
    assert _ended(_look(child=strange, pods=(ended_pod(10),))).outcome.reason == "Interrupted"


def test_a_pod_that_cant_be_made_is_a_problem_with_the_controllers_words() -> None:
    """A quota, a priority class: it goes on being tried."""
    view = _look(child=child(), pod_refusal="exceeded quota: gpus")
    assert isinstance(view, Waiting)
    assert view.problem is not None
    assert view.problem.reason == "PodRefused"
    assert view.problem.message.startswith("spec.trainer: the Job controller can't make the pod of Job sums-1: ")
    assert "exceeded quota: gpus" in view.problem.message


def test_a_job_has_ended_once_succeeded_has_left_unknown() -> None:
    """True or False; not before it was ever written."""
    assert not standing.has_ended(observed())
    for status, ended in (("Unknown", False), ("True", True), ("False", True)):
        condition = reported(ConditionType.SUCCEEDED, status, "Any")
        assert standing.has_ended(observed(status=running_status(condition))) is ended


def test_a_view_names_its_pod_and_what_it_is_called() -> None:
    """Of whichever state, so that the status can."""
    waiting = pod(started=False, waiting_reason="ErrImagePull")
    for facts in (pod(started=False), waiting, pod(**UNBOUND, unschedulable="no")):
        view = _look(child=child(), pods=(facts,))
        assert isinstance(view, Alive)
        assert view.pod == facts
    late = pod(started=False, waiting_reason="ErrImagePull", bound_time=at(-700))
    assert _ended(_look(child=child(), pods=(late,))).pod == late


def test_the_job_of_an_attempt_is_noted_when_it_is_seen() -> None:
    """Its name is used once, and its pods are told by its uid."""
    fields = _show(observed(status={"attempts": 1}, child=child())).fields
    assert fields["attempt"] == {"number": 1, "jobRef": {"name": "sums-1", "uid": "child-uid"}}
    assert (fields["attempts"], fields["startTime"]) == (1, time_text(0))


def test_an_evaluation_that_vanishes_is_lost_too() -> None:
    """Whatever it was to leave behind."""
    spec = {"algorithm": {"type": "Evaluation"}, "evaluation": {"baseline": {"checkpoint": "other"}}}
    for around in ({"status": running_status()}, {"child": child(finished=True)}):
        assert _ended(_look(spec=spec, **around)).outcome.reason == "PodLost"


def test_a_job_whose_name_has_dashes_is_named_whole() -> None:
    """The attempt's number comes after the last of them."""
    view = _look(child=child(name="my-long-name-1", ours=False))
    assert isinstance(view, NotBegun)
    assert view.problem is not None
    assert view.problem.message.endswith('got "my-long-name"')


def test_a_refused_pod_names_the_job_that_it_is_of() -> None:
    """The TrainingJob, for a person to look at."""
    view = _look(child=child(), pod_refusal="exceeded quota")
    assert isinstance(view, Waiting)
    assert view.problem is not None
    assert view.problem.message.endswith('exceeded quota; got "sums"')

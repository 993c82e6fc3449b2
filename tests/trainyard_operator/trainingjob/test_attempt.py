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
    observed,
    pod,
    reported,
    run,
    running_status,
)
from trainyard_api.conditions import ConditionType
from trainyard_operator.trainingjob import attempt
from trainyard_operator.trainingjob.actions import DeleteChild, EnsureRunConfig, ReleasePod
from trainyard_operator.trainingjob.attempt import AttemptView

UNBOUND: dict[str, Any] = {
    "bound_time": None,
    "node_name": None,
    "phase": "Pending",
    "started": False,
}


def _look(**around: Any) -> AttemptView:
    return attempt.look(observed(**around), run(), NOW)


def test_without_child_and_pod_nothing_has_begun() -> None:
    """Only then may a start be planned."""
    assert not _look().begun
    assert _look(child=child()).begun
    assert _look(pods=(pod(),)).begun
    assert _look(status=running_status()).begun


@pytest.mark.parametrize("other", [{"ours": False}, {"deleting": True}])
def test_a_child_that_isnt_ours_stands_in_the_way(other: dict[str, bool]) -> None:
    """A stranger's, or one that is going: not begun, Degraded with the name."""
    view = _look(child=child(**other))
    assert not view.begun
    assert [p.reason for p in view.problems] == ["NameConflict"]
    assert view.problems[0].message == (
        'metadata.name: the Job "sums-1" exists and isn\'t controlled by this TrainingJob; got "sums"'
    )


@pytest.mark.parametrize(
    ("facts", "reason", "trouble"),
    [
        ({}, "Running", []),
        (UNBOUND, "Starting", []),
        (UNBOUND | {"unschedulable": "0/3 nodes"}, "Starting", ["Unschedulable"]),
        ({"started": False}, "Starting", []),
        ({"started": False, "waiting_reason": "ErrImagePull"}, "Starting", ["ImageUnavailable"]),
        ({"deletion_time": at(5)}, "Stopping", []),
    ],
)
def test_a_pod_that_lives_gives_the_reason(facts: dict[str, Any], reason: str, trouble: list[str]) -> None:
    """And what may still resolve is a problem, not an end."""
    view = _look(child=child(), pods=(pod(**facts),))
    assert (view.reason, [p.reason for p in view.problems], view.outcome) == (reason, trouble, None)
    assert not view.pods_gone


def test_the_run_config_is_made_sure_of_until_the_pod_has_started() -> None:
    """The process may have died between making Job and ConfigMap."""
    assert _look(child=child()).actions == (EnsureRunConfig(child()),)
    assert _look(child=child(), pods=(pod(**UNBOUND),)).actions == (EnsureRunConfig(child()),)
    assert _look(child=child(), pods=(pod(),)).actions == ()


def test_a_pod_on_record_that_is_gone_is_lost() -> None:
    """Even if the child Job would make another; so is one whose Job ended without a pod."""
    for around in ({"status": running_status(), "child": child()}, {"child": child(finished=True)}):
        outcome = _look(**around).outcome
        assert outcome is not None
        assert outcome.reason == "PodLost"


def test_the_pod_on_record_counts_not_the_newest() -> None:
    """A second pod of the attempt changes nothing."""
    other = pod(uid="other", created_time=at(-1))
    view = _look(status=running_status(), child=child(), pods=(other, pod()))
    assert view.pod is not None
    assert view.pod.uid == POD_UID


def test_a_verdict_on_record_stands() -> None:
    """Whatever becomes of the evidence: the pod that waited for its image was killed for it."""
    status = running_status(reported(ConditionType.STALLED, "True", "ImageUnavailable", "why"))
    outcome = _look(status=status, child=child(), pods=(ended_pod(137),)).outcome
    assert outcome is not None
    assert (outcome.reason, outcome.message) == ("ImageUnavailable", "why")


def test_a_child_is_stopped_only_while_it_has_or_may_get_a_living_pod() -> None:
    """One whose pod has reached its end is kept, with the pod's log."""
    stop = (DeleteChild(child()),)
    assert attempt.stop_if_alive(observed(child=child(), pods=(pod(),))) == stop
    assert attempt.stop_if_alive(observed(child=child())) == stop
    assert attempt.stop_if_alive(observed(child=child(), pods=(pod(force_deleted=True),))) == stop
    for around in (
        {"child": child(), "pods": (ended_pod(1),)},
        {"child": child(), "pods": (ended_pod(1, phase="Running"),)},
        {"child": child(finished=True)},
        {"child": child(deleting=True)},
        {"child": child(ours=False)},
        {},
    ):
        assert attempt.stop_if_alive(observed(**around)) == ()


def test_a_pod_is_released_only_when_it_is_booked_or_cost_nothing() -> None:
    """Until then its exit code and times must stay readable."""
    ended = ended_pod(1)
    assert attempt.releases(observed(status=running_status(), pods=(ended,))) == ()
    booked = running_status(cost={"settledPods": [{"uid": POD_UID}]})
    assert attempt.releases(observed(status=booked, pods=(ended,))) == (ReleasePod(ended),)
    never_bound = pod(**UNBOUND, deletion_time=at(0))
    assert attempt.releases(observed(pods=(never_bound,))) == (ReleasePod(never_bound),)
    assert attempt.releases(observed(status=booked, pods=(ended_pod(1, finalizers=()),))) == ()


def test_a_job_is_closed_when_nothing_is_left_to_do() -> None:
    """Ended, booked, released, and no child that could make pods."""
    ended = reported(ConditionType.SUCCEEDED, "True", "Completed")
    settled = {"settledUSD": "0.1", "settledPods": [{"uid": POD_UID}]}
    free = ended_pod(0, finalizers=())
    closed = observed(status=running_status(ended, cost=settled), child=child(finished=True), pods=(free,))
    assert attempt.is_closed(closed)
    for changed in (
        observed(status=running_status(), child=child(finished=True), pods=(free,)),
        observed(status=running_status(ended), child=child(finished=True), pods=(free,)),
        observed(status=running_status(ended, cost=settled), child=child(), pods=(free,)),
        observed(status=running_status(ended, cost=settled), child=child(finished=True), pods=(ended_pod(0),)),
        observed(status=running_status(ended, cost=settled), child=child(finished=True)),
    ):
        assert not attempt.is_closed(changed)

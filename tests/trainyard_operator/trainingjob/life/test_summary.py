"""Claims about the conditions that sum a job up."""

from __future__ import annotations

import pytest

from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.trainingjob.attempt.outcome import Outcome
from trainyard_operator.trainingjob.decision.actions import EndRun
from trainyard_operator.trainingjob.decision.findings import Condition, Problem
from trainyard_operator.trainingjob.life.summary import Finished, Unfinished, going_on, in_the_way, summarise

FIVE = {"Succeeded", "Finished", "Suspended", "Reconciling", "Stalled"}
CRASHED = Outcome("UnknownTask", "no such task")


def _summary(state: Unfinished | Finished) -> dict[str, tuple[bool | None, str]]:
    found = summarise(state)
    assert {each.kind.value for each in found} == FIVE
    assert len(found) == len(FIVE)
    return {each.kind: (each.status, each.reason) for each in found}


def test_a_job_that_goes_on_is_reconciling() -> None:
    """With the reason of the summary; neither finished, nor suspended, nor stalled."""
    assert _summary(Unfinished(Reason.RUNNING, "on its way")) == {
        "Succeeded": (None, "Running"),
        "Finished": (False, "InProgress"),
        "Suspended": (False, "NotSuspended"),
        "Reconciling": (True, "Running"),
        "Stalled": (False, "AsExpected"),
    }


def test_a_job_that_is_held_is_at_rest() -> None:
    """Suspended is True; nothing is on its way."""
    found = _summary(Unfinished(Reason.SUSPENDED, "held", suspended=True))
    assert found["Suspended"] == (True, "Suspended")
    assert found["Reconciling"] == (False, "AsExpected")
    assert (found["Succeeded"], found["Finished"]) == ((None, "Suspended"), (False, "InProgress"))


@pytest.mark.parametrize(
    ("state", "stalled"),
    [
        (Finished(succeeded=True, reason=Reason.COMPLETED, message="done"), (False, "AsExpected")),
        (Finished(succeeded=False, reason=Reason.CANCELLED, message="called off"), (False, "AsExpected")),
        (Finished(succeeded=False, reason=Reason.FAILED, message="no", cause=CRASHED), (True, "UnknownTask")),
    ],
)
def test_a_job_that_has_ended_is_finished(state: Finished, stalled: tuple[bool, str]) -> None:
    """Whatever its end; stalled only where what was asked can't be had, with the specific cause."""
    assert _summary(state) == {
        "Succeeded": (state.succeeded, state.reason),
        "Finished": (True, state.reason),
        "Suspended": (False, "NotSuspended"),
        "Reconciling": (False, "AsExpected"),
        "Stalled": stalled,
    }
    shown = {each.kind: each.message for each in summarise(state)}
    assert shown[ConditionType.SUCCEEDED] == shown[ConditionType.FINISHED] == state.message
    assert shown[ConditionType.STALLED] == (state.cause.message if state.cause else "")


def test_the_message_of_a_state_is_shown_where_people_look() -> None:
    """In the summary, and where it is suspended there too."""
    shown = {each.kind: each.message for each in summarise(Unfinished(Reason.SUSPENDED, "held", suspended=True))}
    assert shown[ConditionType.SUCCEEDED] == shown[ConditionType.SUSPENDED] == "held"
    moving = {each.kind: each.message for each in summarise(Unfinished(Reason.QUEUED, "waits"))}
    assert moving[ConditionType.SUCCEEDED] == moving[ConditionType.RECONCILING] == "waits"


def test_a_finding_says_what_happens_next() -> None:
    """State, fields and actions; with a problem, Degraded stands before the summary."""
    found = going_on(Reason.STARTING, "soon", actions=(EndRun("x"),), attempts=2)
    assert found.conditions == summarise(Unfinished(Reason.STARTING, "soon"))
    assert (found.actions, found.fields) == ((EndRun("x"),), {"attempts": 2})
    held = in_the_way(Problem("TooManyPods", "full"), Reason.QUEUED, actions=(EndRun("x"),), attempts=3)
    assert held.conditions == (
        Condition(ConditionType.DEGRADED, True, "TooManyPods", "full"),
        *summarise(Unfinished(Reason.QUEUED, "full")),
    )
    assert (held.actions, held.fields) == ((EndRun("x"),), {"attempts": 3})

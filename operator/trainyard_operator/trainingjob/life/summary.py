"""The conditions that sum a job up: `Succeeded`, `Finished`, `Suspended`, and kstatus's `Reconciling` and `Stalled`.

Place in the data's way: stations 2 and 11. The only writer of these five. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.trainingjob.attempt.outcome import Outcome
from trainyard_operator.trainingjob.decision.actions import Action
from trainyard_operator.trainingjob.decision.findings import Condition, Finding, Problem


@dataclass(frozen=True)
class Unfinished:
    """The work may still go on."""

    reason: Reason
    message: str
    suspended: bool = False
    """Whether it is held by spec.suspend and nothing of it runs."""


@dataclass(frozen=True)
class Finished:
    """The job has ended, for ever."""

    succeeded: bool
    reason: Reason | str
    """From the closed list, or the word of a newer operator that has put the end on record."""
    message: str
    cause: Outcome | None = None
    """Why it ended without what was asked."""


def summarise(state: Unfinished | Finished) -> tuple[Condition, ...]:
    """Sums a job up."""
    if isinstance(state, Finished):
        return (
            Condition(ConditionType.SUCCEEDED, state.succeeded, state.reason, state.message),
            Condition(ConditionType.FINISHED, True, state.reason, state.message),
            Condition(ConditionType.SUSPENDED, False, Reason.NOT_SUSPENDED),
            Condition(ConditionType.RECONCILING, False, Reason.AS_EXPECTED),
            _stalled(state.cause),
        )
    moving = Condition(ConditionType.RECONCILING, True, state.reason, state.message)
    running = Condition(ConditionType.SUSPENDED, False, Reason.NOT_SUSPENDED)
    if state.suspended:
        moving = Condition(ConditionType.RECONCILING, False, Reason.AS_EXPECTED)
        running = Condition(ConditionType.SUSPENDED, True, Reason.SUSPENDED, state.message)
    return (
        Condition(ConditionType.SUCCEEDED, None, state.reason, state.message),
        Condition(ConditionType.FINISHED, False, Reason.IN_PROGRESS),
        running,
        moving,
        _stalled(None),
    )


def going_on(reason: Reason, message: str, *, actions: tuple[Action, ...] = (), **fields: Any) -> Finding:
    """Says that the job goes on, where it stands, and what happens next."""
    return Finding(summarise(Unfinished(reason, message)), fields, actions)


def in_the_way(problem: Problem, reason: Reason, *, actions: tuple[Action, ...] = (), **fields: Any) -> Finding:
    """Says what keeps the job from going on, which no earlier finding has shown."""
    trouble = Condition(ConditionType.DEGRADED, True, problem.reason, problem.message)
    return Finding((trouble, *summarise(Unfinished(reason, problem.message))), fields, actions)


def _stalled(cause: Outcome | None) -> Condition:
    if cause is None:
        return Condition(ConditionType.STALLED, False, Reason.AS_EXPECTED)
    return Condition(ConditionType.STALLED, True, cause.reason, cause.message)

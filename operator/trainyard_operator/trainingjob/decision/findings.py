"""What a decision about a TrainingJob returns.

Place in the data's way: station 2. A decision never writes a status: it returns a `Finding`, and `reconcile.py` merges
findings in their order of precedence. Frozen data only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.trainingjob.decision.actions import Action


@dataclass(frozen=True)
class Condition:
    """What a condition should say."""

    kind: ConditionType
    status: bool | None
    """None: Unknown."""
    reason: Reason | str
    """From the closed list, or the trainer's own word."""
    message: str = ""


@dataclass(frozen=True)
class Problem:
    """Something in the way that may still resolve."""

    reason: Reason | str
    message: str


@dataclass(frozen=True)
class Finding:
    """What follows from one look at a job; of two findings the later one's conditions and fields count."""

    conditions: tuple[Condition, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the status in their wire form."""
    actions: tuple[Action, ...] = ()
    """In the order in which they are carried out, after those of earlier findings."""
    problems: tuple[Problem, ...] = ()
    """The first problem of the first finding that has one is shown."""


def degraded(findings: Iterable[Finding]) -> Finding:
    """Shows the first problem, the one that a person should look at first; none: as expected."""
    first = next((problem for finding in findings for problem in finding.problems), None)
    if first is None:
        return Finding((Condition(ConditionType.DEGRADED, False, Reason.AS_EXPECTED),))
    return Finding((Condition(ConditionType.DEGRADED, True, first.reason, first.message),))

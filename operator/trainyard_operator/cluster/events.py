"""Which events tell of a change: derived from the conditions before and after.

Place in the data's way: station 11. Events are a convenience, never the state; reasons are those of the conditions.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from trainyard_api.conditions import ConditionType, Reason

_TROUBLE: Final = {
    ConditionType.STALLED: "True",
    ConditionType.DEGRADED: "True",
    ConditionType.COST_KNOWN: "False",
    ConditionType.MODEL_AVAILABLE: "False",
}
"""Conditions that are news when they take this status, or change their reason in it."""


@dataclass(frozen=True)
class EventNote:
    """An event to post after the status is written."""

    reason: str
    note: str
    warning: bool = False


def of_conditions(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> list[EventNote]:
    """Makes one event for each condition that has become news."""
    notes = []
    summary, former = after.get(ConditionType.SUCCEEDED, {}), before.get(ConditionType.SUCCEEDED, {})
    if summary.get("reason") != former.get("reason"):
        notes.append(_note(summary, warning=summary.get("status") == "False"))
    for kind, status in _TROUBLE.items():
        now, then = after.get(kind, {}), before.get(kind, {})
        if now.get("status") == status and (then.get("status"), then.get("reason")) != (status, now.get("reason")):
            waits = now["reason"] == Reason.WAITING_FOR_CHECKPOINT
            notes.append(_note(now, warning=not waits))
    return notes


def _note(condition: Mapping[str, Any], *, warning: bool) -> EventNote:
    return EventNote(condition["reason"], condition.get("message") or condition["reason"], warning)

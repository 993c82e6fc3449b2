"""The status that a pass will write: built in memory, written at most once.

Place in the data's way: station 11. Starts from the status as observed, so that fields this version doesn't know are
carried over, and splits into two halves, each with its own field manager: the budget's (cost, budget, CostKnown) and
the operator's (all else but `progress`, which is the pod's, and the record of stops, which waits for nothing). Pure.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.cluster.clock import format_time
from trainyard_operator.cluster.messages import bounded

BUDGET_CONDITIONS: Final = frozenset({ConditionType.COST_KNOWN})
_BUDGET_FIELDS: Final = frozenset({"cost", "budget"})
_NOT_OURS: Final = frozenset({"progress", "stop", "cancelTime"})
"""Written by the pod; and at once, whatever else a pass does, by `apply/stop.py`."""


class StatusDraft:
    """A status in the making."""

    def __init__(self, observed: Mapping[str, Any], *, generation: int, now: datetime) -> None:
        self._fields = {name: copy.deepcopy(value) for name, value in observed.items() if name not in _NOT_OURS}
        self._conditions = {entry["type"]: entry for entry in self._fields.pop("conditions", None) or []}
        self._observed = dict(self._conditions)
        self._generation = generation
        self._now = now
        self._fields["observedGeneration"] = generation
        for entry in self._conditions.values():
            if entry["type"] in set(ConditionType):
                entry["observedGeneration"] = generation

    def put(self, name: str, value: Any) -> None:
        """Sets a field in its wire form; None removes it."""
        if value is None:
            self._fields.pop(name, None)
        else:
            self._fields[name] = value

    def condition(self, kind: ConditionType, status: bool | None, reason: Reason | str, message: str = "") -> None:
        """Sets a condition; its transition time changes only with its status.

        Args:
            kind: which one.
            status: True, False, or None for Unknown.
            reason: from the closed list, or the trainer's own word.
            message: what a person should know.
        """
        text = "Unknown" if status is None else str(status)
        # As it was observed: of two decisions about one condition the later counts, and neither is a transition.
        former = self._observed.get(kind)
        same = former is not None and former["status"] == text
        self._conditions[kind.value] = {
            "type": kind.value,
            "status": text,
            "reason": str(reason),
            "message": bounded(message),
            "lastTransitionTime": former["lastTransitionTime"] if same and former else format_time(self._now),
            "observedGeneration": self._generation,
        }

    def conditions(self) -> dict[str, dict[str, Any]]:
        """Copies all conditions, by type."""
        return copy.deepcopy(self._conditions)

    def operator_half(self) -> dict[str, Any]:
        """Builds what the operator's own field manager applies."""
        fields = {name: value for name, value in self._fields.items() if name not in _BUDGET_FIELDS}
        return fields | {"conditions": self._conditions_of(budget=False)}

    def budget_half(self) -> dict[str, Any]:
        """Builds what the budget's field manager applies."""
        fields = {name: value for name, value in self._fields.items() if name in _BUDGET_FIELDS}
        conditions = self._conditions_of(budget=True)
        return fields | ({"conditions": conditions} if conditions else {})

    def _conditions_of(self, *, budget: bool) -> list[dict[str, Any]]:
        chosen = (c for c in self._conditions.values() if (c["type"] in BUDGET_CONDITIONS) == budget)
        return sorted(chosen, key=lambda entry: str(entry["type"]))


def halves(observed: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits a status as it is into the operator's and the budget's half, to compare with a draft's."""
    fields = {name: value for name, value in observed.items() if name not in {*_NOT_OURS, "conditions"}}
    conditions = sorted(observed.get("conditions") or [], key=lambda entry: str(entry["type"]))
    budget = {name: value for name, value in fields.items() if name in _BUDGET_FIELDS}
    known = [entry for entry in conditions if entry["type"] in BUDGET_CONDITIONS]
    rest = {name: value for name, value in fields.items() if name not in _BUDGET_FIELDS}
    others = [entry for entry in conditions if entry["type"] not in BUDGET_CONDITIONS]
    return rest | {"conditions": others}, budget | ({"conditions": known} if known else {})

"""Claims about which changes are events."""

from __future__ import annotations

from tests.trainyard_operator.builders import reported
from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.cluster.events import of_conditions


def _of(before: list[dict], after: list[dict]) -> list[tuple[str, bool]]:
    notes = of_conditions({c["type"]: c for c in before}, {c["type"]: c for c in after})
    return [(note.reason, note.warning) for note in notes]


def test_a_new_reason_of_the_summary_is_an_event() -> None:
    """A failure is a warning; the same reason again is nothing."""
    queued = reported(ConditionType.SUCCEEDED, "Unknown", "Queued")
    failed = reported(ConditionType.SUCCEEDED, "False", "Failed")
    assert _of([], [queued]) == [("Queued", False)]
    assert _of([queued], [failed]) == [("Failed", True)]
    assert _of([queued], [queued]) == []


def test_trouble_is_an_event_when_it_comes_or_changes() -> None:
    """Not while it lasts, and not when it goes."""
    fine = reported(ConditionType.DEGRADED, "False", "AsExpected")
    down = reported(ConditionType.DEGRADED, "True", "DatabaseUnavailable")
    taken = reported(ConditionType.DEGRADED, "True", "NameConflict")
    assert _of([fine], [down]) == [("DatabaseUnavailable", True)]
    assert _of([down], [taken]) == [("NameConflict", True)]
    assert _of([down], [down]) == _of([down], [fine]) == []


def test_waiting_for_a_checkpoint_is_no_warning() -> None:
    """It is what two manifests applied together do; an unknown price is one."""
    waits = reported(ConditionType.MODEL_AVAILABLE, "False", Reason.WAITING_FOR_CHECKPOINT)
    unpriced = reported(ConditionType.COST_KNOWN, "False", Reason.NO_PRICE)
    assert _of([], [waits]) == [("WaitingForCheckpoint", False)]
    assert _of([], [unpriced]) == [("NoPrice", True)]

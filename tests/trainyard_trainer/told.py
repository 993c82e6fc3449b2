"""Trajectories as rewards see them, told in turns; light enough to import everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from trainyard_trainer.trajectory import CallOutcome, Role, Segment, Trajectory, TrajectoryId, TrajectoryStatus, Turn

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def said(text: str = "so", *calls: CallOutcome) -> tuple[Turn, ...]:
    """A policy turn, and the tool's turn with the results, where there were calls."""
    policy = Turn(0, 1, 2, Role.POLICY, text, NOON, 0.1, calls=calls)
    if not calls:
        return (policy,)
    results = "\n".join(call.result for call in calls)
    return policy, Turn(0, 2, 3, Role.TOOL, results, NOON, 0.1, tool_result=results)


def good(result: str) -> CallOutcome:
    """A call that succeeded."""
    return CallOutcome("f()", result, ok=True)


def bad(error: str = "error: no") -> CallOutcome:
    """A call that failed, or couldn't be read."""
    return CallOutcome("f(", error, ok=False)


def told(*turns: Sequence[Turn], answer: str | None = "7", expected: str = "7", **changes: Any) -> Trajectory:
    """A trajectory of a prompt and these turns, unscored."""
    segment = Segment((1, 2, 3, 4), (False, True, True, True), (math.nan, -1.0, -1.0, -1.0), (0,) * 4)
    fields: dict[str, Any] = {
        "id": TrajectoryId("run-1", 0, 0, 0),
        "group": "0/0",
        "task": "calculator",
        "question": "Q10+10;",
        "expected": expected,
        "status": TrajectoryStatus.OK,
        "segments": (segment,),
        "turns": (Turn(0, 0, 1, Role.PROMPT, "Q10+10;", NOON, 0.0), *(turn for group in turns for turn in group)),
        "started_at": NOON,
        "duration_seconds": 0.1,
        "answer": answer,
        "success": answer == expected,
    }
    return Trajectory(**(fields | changes))

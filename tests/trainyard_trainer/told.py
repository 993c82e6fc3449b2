"""Trajectories as rewards see them, told in turns; light enough to import everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from trainyard_trainer.trajectory import Role, Segment, Trajectory, TrajectoryId, TrajectoryStatus, Turn

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def said(text: str = "so", ok: bool | None = None, result: str | None = None) -> tuple[Turn, ...]:
    """A policy turn, and the tool's turn with its result, where there was a call."""
    call = None if ok is None else text
    policy = Turn(0, 1, 2, Role.POLICY, text, NOON, 0.1, tool_call=call, tool_ok=ok)
    if result is None:
        return (policy,)
    return policy, Turn(0, 2, 3, Role.TOOL, result, NOON, 0.1, tool_result=result)


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

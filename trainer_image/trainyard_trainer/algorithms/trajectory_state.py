"""Writes trajectories for a checkpoint, in plain types that `torch.load` reads without code, and reads them.

Place in the data's way: between stations 8 and 9. What is read back equals what was written, to the bit. Field names
are those of the dataclasses; a state of another layout is refused, never guessed at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from trainyard_trainer.trajectory import (
    CallOutcome,
    FinishReason,
    Role,
    Sampling,
    Segment,
    Trajectory,
    TrajectoryId,
    TrajectoryStatus,
    Turn,
)


def trajectory_to_state(trajectory: Trajectory) -> dict[str, Any]:
    """Gives a trajectory in plain types."""
    return _shallow(trajectory) | {
        "id": _shallow(trajectory.id),
        "status": str(trajectory.status),
        "segments": [_shallow(segment) for segment in trajectory.segments],
        "turns": [_turn_to_state(turn) for turn in trajectory.turns],
        "started_at": trajectory.started_at.isoformat(),
        "rewards": dict(trajectory.rewards),
    }


def trajectory_from_state(state: Mapping[str, Any]) -> Trajectory:
    """Reads the trajectory of `trajectory_to_state`.

    Raises:
        ValueError: the state is of another layout.
    """
    require_fields(state, Trajectory)
    for segment in state["segments"]:
        require_fields(segment, Segment)
    return Trajectory(
        **dict(state)
        | {
            "id": TrajectoryId(**state["id"]),
            "status": TrajectoryStatus(state["status"]),
            "segments": tuple(Segment(**segment) for segment in state["segments"]),
            "turns": tuple(_turn_from_state(turn) for turn in state["turns"]),
            "started_at": datetime.fromisoformat(state["started_at"]),
        }
    )


def _turn_to_state(turn: Turn) -> dict[str, Any]:
    return _shallow(turn) | {
        "calls": [_shallow(call) for call in turn.calls],
        "role": str(turn.role),
        "started_at": turn.started_at.isoformat(),
        "sampling": _shallow(turn.sampling) if turn.sampling else None,
        "finish_reason": str(turn.finish_reason) if turn.finish_reason else None,
    }


def _turn_from_state(state: Mapping[str, Any]) -> Turn:
    require_fields(state, Turn)
    for call in state["calls"]:
        require_fields(call, CallOutcome)
    return Turn(
        **dict(state)
        | {
            "role": Role(state["role"]),
            "calls": tuple(CallOutcome(**call) for call in state["calls"]),
            "started_at": datetime.fromisoformat(state["started_at"]),
            "sampling": Sampling(**state["sampling"]) if state["sampling"] else None,
            "finish_reason": FinishReason(state["finish_reason"]) if state["finish_reason"] else None,
        }
    )


def _shallow(value: Any) -> dict[str, Any]:
    """Maps the fields of a dataclass as they are; tuples of numbers stay tuples."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def require_fields(state: Mapping[str, Any], layout: type) -> None:
    """Refuses a state that hasn't the fields of its dataclass.

    Raises:
        ValueError: it hasn't.
    """
    expected = {field.name for field in fields(layout)}
    if set(state) != expected:
        raise ValueError(
            f"a {layout.__name__} in a checkpoint: must have the fields {sorted(expected)}; got {sorted(state)}"
        )

"""A scored batch as a checkpoint holds it: maps, lists, numbers and strings, which `torch.load` reads without code.

Place in the data's way: between stations 8 and 9. What is read back equals what was written, to the bit. Field names
are those of the dataclasses; a state of another layout is refused, never guessed at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from trainyard_trainer.algorithms.scored_batch import LogProbs, ScoredBatch
from trainyard_trainer.policy.policy import UpdateOutcome
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


def batch_to_state(batch: ScoredBatch) -> dict[str, Any]:
    """The batch in plain types."""
    return {
        "step": batch.step,
        "version": batch.version,
        "trajectories": [trajectory_to_state(trajectory) for trajectory in batch.trajectories],
        "old_logprobs": batch.old_logprobs,
        "reference_logprobs": batch.reference_logprobs,
        "outcomes": [asdict(outcome) for outcome in batch.outcomes],
    }


def batch_from_state(state: Mapping[str, Any]) -> ScoredBatch:
    """The batch of `batch_to_state`.

    Raises:
        ValueError: the state is of another layout.
    """
    _require(state, ScoredBatch)
    for outcome in state["outcomes"]:
        _require(outcome, UpdateOutcome)
    return ScoredBatch(
        step=state["step"],
        version=state["version"],
        trajectories=tuple(trajectory_from_state(part) for part in state["trajectories"]),
        old_logprobs=_logprobs(state["old_logprobs"]),
        reference_logprobs=_logprobs(state["reference_logprobs"]),
        outcomes=tuple(UpdateOutcome(**outcome) for outcome in state["outcomes"]),
    )


def trajectory_to_state(trajectory: Trajectory) -> dict[str, Any]:
    """A trajectory in plain types."""
    return _shallow(trajectory) | {
        "id": _shallow(trajectory.id),
        "status": str(trajectory.status),
        "segments": [_shallow(segment) for segment in trajectory.segments],
        "turns": [_turn_to_state(turn) for turn in trajectory.turns],
        "started_at": trajectory.started_at.isoformat(),
        "rewards": dict(trajectory.rewards),
    }


def trajectory_from_state(state: Mapping[str, Any]) -> Trajectory:
    """The trajectory of `trajectory_to_state`.

    Raises:
        ValueError: the state is of another layout.
    """
    _require(state, Trajectory)
    for segment in state["segments"]:
        _require(segment, Segment)
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
    _require(state, Turn)
    for call in state["calls"]:
        _require(call, CallOutcome)
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
    """The fields of a dataclass as they are; tuples of numbers stay tuples."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _require(state: Mapping[str, Any], layout: type) -> None:
    expected = {field.name for field in fields(layout)}
    if set(state) != expected:
        raise ValueError(
            f"a {layout.__name__} in a checkpoint: must have the fields {sorted(expected)}; got {sorted(state)}"
        )


def _logprobs(state: Any) -> LogProbs | None:
    if state is None:
        return None
    return tuple(tuple(tuple(segment) for segment in trajectory) for trajectory in state)

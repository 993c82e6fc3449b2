"""Trajectories for tests, without a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from trainyard_trainer.trajectory import Role, Segment, Trajectory, TrajectoryId, TrajectoryStatus, Turn

START = datetime(2026, 1, 1, tzinfo=UTC)


def segment(tokens: int = 3, *, tool: int = 0, version: int = 0, **changes: Any) -> Segment:
    """One prompt token, `tokens` sampled ones, and between the first and the others `tool` ones that a tool wrote."""
    mask = (False, *((True, *(False,) * tool, *(True,) * (tokens - 1)) if tokens else ()))
    fields = {
        "token_ids": tuple(1 + number % 7 for number in range(len(mask))),
        "mask": mask,
        "logprobs": tuple(-1.0 if sampled else math.nan for sampled in mask),
        "policy_versions": (version,) * len(mask),
    }
    return Segment(**(fields | changes))


def policy_turn(start: int, end: int, *, number: int = 0) -> Turn:
    """A turn of the policy over these tokens of segment `number`."""
    return Turn(number, start, end, Role.POLICY, "", START, 0.1)


def trajectory(
    reward: float | None = None,
    *,
    prompt: int = 0,
    sample: int = 0,
    segments: Sequence[Segment] | None = None,
    **changes: Any,
) -> Trajectory:
    """A trajectory with this total reward, of one segment by default; without a reward its scoring failed."""
    fields = {
        "id": TrajectoryId("run-1", 0, prompt, sample),
        "group": f"0/{prompt}",
        "task": "calculator",
        "question": "Q10+10;",
        "expected": "00020",
        "status": TrajectoryStatus.FAILED_REWARD if reward is None else TrajectoryStatus.OK,
        "segments": tuple(segments if segments is not None else (segment(),)),
        "turns": (),
        "started_at": START,
        "duration_seconds": 0.1,
        "success": False,
        "total_reward": reward,
    }
    return Trajectory(**(fields | changes))


def of_turns(rewards: Sequence[float], *, tokens: int = 2, **changes: Any) -> Trajectory:
    """A trajectory of one policy turn for each reward, `tokens` each, a tool's token after each but the last."""
    mask: list[bool] = [False]
    turns = []
    for number in range(len(rewards)):
        turns.append(policy_turn(len(mask), len(mask) + tokens))
        mask += [True] * tokens + [False] * (number < len(rewards) - 1)
    part = segment(
        token_ids=tuple(range(1, len(mask) + 1)),
        mask=tuple(mask),
        logprobs=tuple(-1.0 if sampled else math.nan for sampled in mask),
        policy_versions=(0,) * len(mask),
    )
    return trajectory(math.fsum(rewards), segments=[part], turns=tuple(turns), turn_rewards=tuple(rewards), **changes)

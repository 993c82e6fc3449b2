"""Rewards of finished trajectories, and what becomes of those that can't be scored.

Place in the data's way: station 6. A reward is a user's code: what goes wrong in it fails one trajectory, unless it
goes wrong for a whole step. Knows nothing of groups or losses.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError, TrainerError
from trainyard_trainer.registry import WeightedReward
from trainyard_trainer.trajectory import Trajectory, TrajectoryStatus

SCORED = frozenset({TrajectoryStatus.OK, TrajectoryStatus.TRUNCATED})


class _RewardFailedError(Exception):
    """One reward gave no number for one trajectory."""

    def __init__(self, reward: WeightedReward, problem: str) -> None:
        self.reward = reward
        super().__init__(f"reward {reward.name} {problem}")


def score(trajectories: Sequence[Trajectory], rewards: Sequence[WeightedReward]) -> list[Trajectory]:
    """The trajectories with raw rewards by name and their weighted sum, or with the status of what failed.

    Raises:
        RefusedError: REWARD_FAILED; not one could be scored, because of rewards.
        TrainerError: not one could be scored, because of the environment.
    """
    first_failure: _RewardFailedError | None = None
    scored = []
    for trajectory in trajectories:
        if trajectory.status not in SCORED:
            scored.append(trajectory)
            continue
        try:
            raw = {reward.name: _number(reward, trajectory) for reward in rewards}
        except _RewardFailedError as failure:
            first_failure = first_failure or failure
            scored.append(replace(trajectory, status=TrajectoryStatus.FAILED_REWARD, error=str(failure)))
        else:
            total = math.fsum(raw[reward.name] * reward.weight for reward in rewards)
            scored.append(replace(trajectory, rewards=raw, total_reward=total))
    if scored and not any(trajectory.scored for trajectory in scored):
        raise _none_scored(scored, first_failure)
    return scored


def _number(reward: WeightedReward, trajectory: Trajectory) -> float:
    try:
        value = reward.function(trajectory)
    except Exception as error:
        where = _place_of(error, reward.function)
        raise _RewardFailedError(reward, f"raised {type(error).__name__}: {error} at {where}") from error
    if not isinstance(value, Real) or not math.isfinite(value):
        code = getattr(reward.function, "__code__", None)
        where = f" at {code.co_filename}:{code.co_firstlineno}" if code else ""
        raise _RewardFailedError(reward, f"returned {value!r}, not a finite number{where}")
    return float(value)


def _place_of(error: Exception, function: Any) -> str:
    """File and line in the reward's own file if the traceback passes through it, else the innermost one."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    own = getattr(getattr(function, "__code__", None), "co_filename", None)
    frame = next((frame for frame in reversed(frames) if frame.filename == own), frames[-1] if frames else None)
    return f"{frame.filename}:{frame.lineno}" if frame else str(own)


def _none_scored(trajectories: Sequence[Trajectory], failure: _RewardFailedError | None) -> TrainerError:
    if failure is None:
        error = next((trajectory.error for trajectory in trajectories if trajectory.error), "no error was given")
        return TrainerError(f"the environment failed in all {len(trajectories)} trajectories; the first: {error}")
    return RefusedError(
        TerminationReason.REWARD_FAILED,
        f"must score at least one trajectory of a step, and scored none of {len(trajectories)}; {failure}",
        field_path=failure.reward.field_path,
        value=failure.reward.name,
    )

"""Rewards of finished trajectories, and what becomes of those that can't be scored.

Place in the data's way: station 6. A reward is a user's code: what goes wrong in it fails one trajectory, unless it
goes wrong for a whole step. Knows nothing of groups or losses.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError, TrainerError
from trainyard_trainer.registry import WeightedReward
from trainyard_trainer.trajectory import Trajectory, TrajectoryStatus

SCORED = frozenset({TrajectoryStatus.OK, TrajectoryStatus.TRUNCATED})
MAX_SAID = 500
"""Most characters that are kept of what a user's code says of itself."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """One reward gave no number for one trajectory."""

    reward: WeightedReward
    problem: str

    def __str__(self) -> str:
        return f"reward {self.reward.name} {self.problem}"


def score(trajectories: Sequence[Trajectory], rewards: Sequence[WeightedReward]) -> list[Trajectory]:
    """The trajectories with raw rewards by name and their weighted sum, or with the status of what failed.

    A reward without a finite number is NaN.

    Raises:
        RefusedError: REWARD_FAILED; not one could be scored, because of rewards.
        TrainerError: not one could be scored, because of the environment.
    """
    first_failure: _Failure | None = None
    scored = []
    for trajectory in trajectories:
        if trajectory.status not in SCORED:
            scored.append(trajectory)
            continue
        outcomes = {reward.name: _call(reward, trajectory) for reward in rewards}
        raw = {name: math.nan if isinstance(value, _Failure) else value for name, value in outcomes.items()}
        failure = next((value for value in outcomes.values() if isinstance(value, _Failure)), None)
        total = math.nan if failure else sum(raw[reward.name] * reward.weight for reward in rewards)
        if failure is None and not math.isfinite(total):
            failure = _Failure(rewards[0], "and the others have a weighted sum that isn't finite")
        if failure is None:
            scored.append(replace(trajectory, rewards=raw, total_reward=total))
        else:
            first_failure = first_failure or failure
            failed = TrajectoryStatus.FAILED_REWARD
            scored.append(replace(trajectory, rewards=raw, status=failed, error=str(failure)))
    if scored and not any(trajectory.scored for trajectory in scored):
        raise _none_scored(scored, first_failure)
    return scored


def _call(reward: WeightedReward, trajectory: Trajectory) -> float | _Failure:
    try:
        value = reward.function(trajectory)
        number = float(value) if isinstance(value, Real) else math.nan  # an integer may be too large for that
        if math.isfinite(number):
            return number
        code = getattr(reward.function, "__code__", None)
        where = f" at {code.co_filename}:{code.co_firstlineno}" if code else ""
        return _Failure(reward, f"returned {repr(value)[:MAX_SAID]}, not a finite number{where}")
    except (Exception, SystemExit) as error:  # noqa: BLE001 (a user's code may raise anything; it fails this trajectory)
        where = _place_of(error, reward.function)
        return _Failure(reward, f"raised {type(error).__name__}: {str(error)[:MAX_SAID]} at {where}")


def _place_of(error: BaseException, function: Any) -> str:
    """File and line in the reward's own file if the traceback passes through it, else the innermost one."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    own = getattr(getattr(function, "__code__", None), "co_filename", None)
    frame = next((frame for frame in reversed(frames) if frame.filename == own), frames[-1] if frames else None)
    return f"{frame.filename}:{frame.lineno}" if frame else str(own)


def _none_scored(trajectories: Sequence[Trajectory], failure: _Failure | None) -> TrainerError:
    if failure is None:
        error = next((trajectory.error for trajectory in trajectories if trajectory.error), "no error was given")
        return TrainerError(f"the environment failed in all {len(trajectories)} trajectories; the first: {error}")
    return RefusedError(
        TerminationReason.REWARD_FAILED,
        f"must score at least one trajectory of a step, and scored none of {len(trajectories)}; {failure}",
        field_path=failure.reward.field_path,
        value=failure.reward.name,
    )

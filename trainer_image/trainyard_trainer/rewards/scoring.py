"""Rewards of finished trajectories, and what becomes of those that can't be scored.

Place in the data's way: station 6. A reward is a user's code: what goes wrong in it fails one trajectory, unless it
goes wrong too often. Knows nothing of groups or losses.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.rewards.reward import RewardCaller, WeightedReward
from trainyard_trainer.rewards.values import NoValue, RewardValue, placed, policy_turns, read_value
from trainyard_trainer.trajectory import Trajectory, TrajectoryStatus
from trainyard_trainer.user_code import explain, file_of, place_of

_log = logging.getLogger(__name__)

SCORED = frozenset({TrajectoryStatus.OK, TrajectoryStatus.TRUNCATED})
FAILED = frozenset({TrajectoryStatus.FAILED_ENVIRONMENT, TrajectoryStatus.FAILED_REWARD})


@dataclass(frozen=True, slots=True)
class _Failure:
    """One reward gave no number for one trajectory."""

    reward: WeightedReward
    problem: str

    def __str__(self) -> str:
        return f"reward {self.reward.name} {self.problem}"


def score(
    trajectories: Sequence[Trajectory], rewards: Sequence[WeightedReward], max_failed_fraction: float = 1.0
) -> list[Trajectory]:
    """Fills in raw rewards by name and their weighted sum, or the status of what failed.

    A reward without a finite number is NaN. Where a reward gave numbers by turn, `turn_rewards` are the weighted sums
    of each policy turn; rewards of the whole trajectory count to its last turn, so that they add up to the total.

    Args:
        trajectories: finished ones, of one step or one evaluation.
        rewards: at least one.
        max_failed_fraction: share of them whose reward or environment may fail.

    Raises:
        RefusedError: REWARD_FAILED or ENVIRONMENT_FAILED, whichever failed more; the share was exceeded, or not one
            could be scored.
        DroppedError: a stop was asked for.
    """
    asked = [trajectory for trajectory in trajectories if trajectory.status in SCORED]
    values = _values(asked, rewards)
    failures: list[_Failure] = []
    scored, number = [], 0
    for trajectory in trajectories:
        if trajectory.status in SCORED:
            found = _score_one(trajectory, rewards, {name: of[number] for name, of in values.items()})
            number += 1
            failures += [found] if isinstance(found, _Failure) else []
            scored.append(_failed(trajectory, values, number - 1, found) if isinstance(found, _Failure) else found)
        else:
            scored.append(trajectory)
    _refuse_if_too_many(scored, failures, max_failed_fraction)
    return scored


def _values(
    trajectories: Sequence[Trajectory], rewards: Sequence[WeightedReward]
) -> dict[str, list[RewardValue | NoValue]]:
    """Returns the raw values of each reward by name, one for each trajectory."""
    elsewhere: dict[RewardCaller, dict[str, float]] = {}
    values: dict[str, list[RewardValue | NoValue]] = {}
    for reward in rewards:
        if reward.caller is not None and reward.function is None:
            elsewhere.setdefault(reward.caller, {})[reward.name] = reward.timeout_seconds
        else:
            values[reward.name] = [_call(reward, trajectory) for trajectory in trajectories]
    for caller, timeouts in elsewhere.items():
        if trajectories:
            values |= caller.call(timeouts, trajectories)
    return values


def _call(reward: WeightedReward, trajectory: Trajectory) -> RewardValue | NoValue:
    function = reward.function
    if function is None:
        raise ValueError(f"reward {reward.name} has neither a function nor a caller")
    try:
        return placed(read_value(function(trajectory), trajectory), place_of(function))
    except BaseException as error:  # noqa: BLE001 (a reward may raise anything; it fails this trajectory)
        return NoValue(f"raised {explain(error, file_of(function), place=place_of(function))}")


def _score_one(
    trajectory: Trajectory, rewards: Sequence[WeightedReward], values: Mapping[str, RewardValue | NoValue]
) -> Trajectory | _Failure:
    good: list[tuple[WeightedReward, RewardValue]] = []
    for reward in rewards:
        value = values[reward.name]
        if isinstance(value, NoValue):
            return _Failure(reward, value.problem)
        good.append((reward, value))
    total = sum(value.total * reward.weight for reward, value in good)
    if not math.isfinite(total):
        return _Failure(rewards[0], "and the others have a weighted sum that isn't finite")
    raw = {reward.name: value.total for reward, value in good}
    return replace(trajectory, rewards=raw, total_reward=total, turn_rewards=_turn_rewards(trajectory, good))


def _turn_rewards(
    trajectory: Trajectory, good: Sequence[tuple[WeightedReward, RewardValue]]
) -> tuple[float, ...] | None:
    if all(value.by_turn is None for _, value in good):
        return None
    sums = [0.0] * policy_turns(trajectory)
    for reward, value in good:
        for turn, number in enumerate(value.by_turn or ()):
            sums[turn] += number * reward.weight
        if value.by_turn is None:
            sums[-1] += value.total * reward.weight
    return tuple(sums)


def _failed(
    trajectory: Trajectory,
    values: Mapping[str, Sequence[RewardValue | NoValue]],
    number: int,
    failure: _Failure,
) -> Trajectory:
    found = {name: of[number] for name, of in values.items()}
    raw = {name: value.total if isinstance(value, RewardValue) else math.nan for name, value in found.items()}
    return replace(trajectory, rewards=raw, status=TrajectoryStatus.FAILED_REWARD, error=str(failure))


def _refuse_if_too_many(trajectories: Sequence[Trajectory], failures: Sequence[_Failure], allowed: float) -> None:
    failed = [trajectory for trajectory in trajectories if trajectory.status in FAILED]
    any_scored = any(trajectory.scored for trajectory in trajectories)
    if not failed:
        return
    counted = f"{len(failed)} of {len(trajectories)} trajectories failed"
    if any_scored and len(failed) <= allowed * len(trajectories):
        _log.warning("warning: %s and count for nothing; the first: %s", counted, failed[0].error)
        return
    share = f"at most the share {allowed:g} of a step may fail, as spec.algorithm.grpo.maxFailedFraction says"
    limit = share if any_scored else "not one could be scored"
    if len(failures) * 2 >= len(failed):
        first = failures[0]
        raise RefusedError(
            TerminationReason.REWARD_FAILED,
            f"{limit}, and {counted}; the first: {first}",
            field_path=first.reward.field_path,
            value=first.reward.name,
        )
    environments = [one for one in failed if one.status is TrajectoryStatus.FAILED_ENVIRONMENT]
    raise RefusedError(
        TerminationReason.ENVIRONMENT_FAILED,
        f"{limit}, and {counted}; the first environment raised {environments[0].error or 'an error without a text'}",
        field_path="spec.task.name",
        value=environments[0].task,
    )

"""Computes how much better each trajectory did than its group.

Place in the data's way: station 7. Pure, in float64. Groups are told apart by id, never by the text of their prompt.
Statistics are over trajectories, never over rows: a long or forked one counts once. Names end in their dimensions: G
trajectories of a group, K turns of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from trainyard_api.algorithm import Credit, GRPOConfig
from trainyard_trainer.algorithms.returns import discounted_return, policy_turns, returns_to_go
from trainyard_trainer.trajectory import Trajectory

EPSILON = 1e-6


def group_advantages(rewards_G: Sequence[float]) -> NDArray[np.float64]:
    """Computes (r - mean) / (std + 1e-6) with the sample standard deviation (ddof 1); shape [G].

    They are exactly 0 where all rewards are equal, and in a group of fewer than 2. A remainder of float rounding would
    be blown up otherwise (DeepSeekMath, arXiv 2402.03300, section 4.1.2).
    """
    rewards = np.asarray(rewards_G, dtype=np.float64)
    if rewards.size < 2 or rewards.max() == rewards.min():
        return np.zeros_like(rewards)
    return (rewards - rewards.mean()) / (rewards.std(ddof=1) + EPSILON)


def turn_advantages(returns_GK: Sequence[Sequence[float]]) -> list[list[float]]:
    """Computes one advantage for each turn of each trajectory: its return from there less what its siblings got.

    The baseline of a turn is the mean of the siblings' returns from the turn of the same index. A sibling that has no
    such turn counts with its whole return, so that few survivors shrink the baseline to the group's mean. A baseline
    doesn't depend on the trajectory's own actions, hence adds no bias. All are divided by the sample standard deviation
    (ddof 1) of all returns in the group, + 1e-6. They are exactly 0 where all returns are equal, and in a group of
    fewer than 2.

    Args:
        returns_GK: by trajectory the discounted returns from each of its turns on; a trajectory has one turn at least.
    """
    everything = np.asarray([value for returns in returns_GK for value in returns], dtype=np.float64)
    if len(returns_GK) < 2 or everything.max() == everything.min():
        return [[0.0] * len(returns) for returns in returns_GK]
    scale = float(everything.std(ddof=1)) + EPSILON
    return [
        [
            (value - fmean(_at(sibling, turn) for other, sibling in enumerate(returns_GK) if other != own)) / scale
            for turn, value in enumerate(returns)
        ]
        for own, returns in enumerate(returns_GK)
    ]


def with_advantages(trajectories: Sequence[Trajectory], config: GRPOConfig) -> list[Trajectory]:
    """Gives trajectories their normalised reward and advantages, in their order; those without a reward keep 0.

    Both are of the discounted return. With credit by turn a segment carries the advantages of its tokens, 0 where the
    policy sampled none, and `advantage` is their mean over the trajectory's policy tokens.

    Raises:
        ValueError: with credit by turn, a policy token that belongs to no turn of the policy.
    """
    result = list(trajectories)
    for members in _groups(trajectories).values():
        group = [trajectories[index] for index in members]
        for index, advantaged in zip(members, _of_group(group, config), strict=True):
            result[index] = advantaged
    return result


def learns_nothing(trajectory: Trajectory) -> bool:
    """Tells whether all its advantages are 0."""
    by_token = [value for segment in trajectory.segments for value in segment.advantages or ()]
    return trajectory.advantage == 0.0 and not any(by_token)


def frac_reward_zero_std(trajectories: Sequence[Trajectory]) -> float | None:
    """Computes the share of groups that nothing is learned from; None without a scored trajectory.

    A group counts if it has a scored trajectory, and teaches nothing if all of them have advantage 0.
    """
    groups = list(_groups(trajectories).values())
    alike = sum(all(learns_nothing(trajectories[index]) for index in members) for members in groups)
    return alike / len(groups) if groups else None


def _of_group(group: Sequence[Trajectory], config: GRPOConfig) -> list[Trajectory]:
    gamma = float(config.gamma)
    values = group_advantages([discounted_return(trajectory, gamma) for trajectory in group]).tolist()
    result = [
        replace(trajectory, normalised_reward=value if len(group) >= 2 else None, advantage=value)
        for trajectory, value in zip(group, values, strict=True)
    ]
    if config.credit is Credit.TRAJECTORY:
        return result
    by_turn = turn_advantages([returns_to_go(trajectory, gamma) for trajectory in group])
    return [_by_turn(trajectory, advantages) for trajectory, advantages in zip(result, by_turn, strict=True)]


def _groups(trajectories: Sequence[Trajectory]) -> dict[str, list[int]]:
    """Lists the indices of scored trajectories by group, in their order."""
    groups: dict[str, list[int]] = {}
    for index, trajectory in enumerate(trajectories):
        if trajectory.scored:
            groups.setdefault(trajectory.group, []).append(index)
    return groups


def _at(returns: Sequence[float], turn: int) -> float:
    return returns[turn] if turn < len(returns) else returns[0]


def _by_turn(trajectory: Trajectory, advantages: Sequence[float]) -> Trajectory:
    """Gives a trajectory's tokens the advantages of their turns; one that never spoke has a return, but no turn."""
    by_segment: list[list[float | None]] = [[None] * len(segment.token_ids) for segment in trajectory.segments]
    for turn, advantage in zip(policy_turns(trajectory), advantages, strict=False):
        by_segment[turn.segment][turn.start : turn.end] = [advantage] * (turn.end - turn.start)
    sampled: list[float] = []
    segments = []
    for number, (segment, values) in enumerate(zip(trajectory.segments, by_segment, strict=True)):
        placed = [0.0] * len(values)
        for place, value in enumerate(values):
            if not segment.mask[place]:
                continue
            if value is None:
                raise ValueError(
                    f"token {place} of segment {number} of {trajectory.id} belongs to no turn of the policy"
                )
            placed[place] = value
            sampled.append(value)
        segments.append(replace(segment, advantages=tuple(placed)))
    return replace(trajectory, segments=tuple(segments), advantage=fmean(sampled) if sampled else 0.0)

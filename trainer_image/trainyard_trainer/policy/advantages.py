"""Group-relative advantages.

Place in the data's way: station 7. Pure, in float64. Groups are told apart by id, never by the text of their prompt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trainyard_trainer.trajectory import Trajectory

EPSILON = 1e-6


def group_advantages(rewards_G: Sequence[float]) -> NDArray[np.float64]:
    """(r - mean) / (std + 1e-6) with the sample standard deviation (ddof 1); shape [G].

    Exactly 0 when all rewards are equal, where float rounding would leave a remainder to be blown up, and for a group
    of fewer than 2, which has no spread (DeepSeekMath, arXiv 2402.03300, section 4.1.2).
    """
    rewards = np.asarray(rewards_G, dtype=np.float64)
    if rewards.size < 2 or rewards.max() == rewards.min():
        return np.zeros_like(rewards)
    return (rewards - rewards.mean()) / (rewards.std(ddof=1) + EPSILON)


def with_advantages(trajectories: Sequence[Trajectory]) -> list[Trajectory]:
    """The trajectories, in their order, with normalised reward and advantage; those without a reward keep 0."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, trajectory in enumerate(trajectories):
        if trajectory.scored:
            groups[trajectory.group].append(index)
    result = list(trajectories)
    for members in groups.values():
        values = group_advantages([_reward(trajectories[index]) for index in members])
        for index, value in zip(members, values.tolist(), strict=True):
            normalised = value if len(members) >= 2 else None
            result[index] = replace(trajectories[index], normalised_reward=normalised, advantage=value)
    return result


def zero_variance_groups(trajectories: Sequence[Trajectory]) -> int:
    """Number of groups whose scored trajectories, one at least, all have advantage 0: nothing is learned from them."""
    told_apart: dict[str, bool] = {}
    for trajectory in trajectories:
        if trajectory.scored:
            told_apart[trajectory.group] = told_apart.get(trajectory.group, False) or trajectory.advantage != 0.0
    return sum(not apart for apart in told_apart.values())


def _reward(trajectory: Trajectory) -> float:
    if trajectory.total_reward is None:
        raise ValueError(f"{trajectory.id} has no reward")
    return trajectory.total_reward

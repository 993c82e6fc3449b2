"""Decides which trajectories each update of a step is made from.

Place in the data's way: station 8. Pure and seeded: the same seed, step and trajectories give the same updates, also
when a run goes on in the middle of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainyard_api.algorithm import GRPOConfig
from trainyard_trainer.algorithms.advantages import learns_nothing
from trainyard_trainer.policy.ranks import Ranks
from trainyard_trainer.randomness import Stream, StreamKey, generator
from trainyard_trainer.trajectory import Trajectory

Minibatch = tuple[int, ...]
"""Indices of trajectories, ascending."""


def trained(trajectories: Sequence[Trajectory], config: GRPOConfig) -> list[int]:
    """Lists the trajectories that are trained, by index: the scored ones, less groups without variance if asked."""
    scored = [index for index, trajectory in enumerate(trajectories) if trajectory.scored]
    if not config.drop_zero_variance_groups:
        return scored
    telling = {trajectories[index].group for index in scored if not learns_nothing(trajectories[index])}
    return [index for index in scored if trajectories[index].group in telling]


def minibatches(
    trajectories: Sequence[Trajectory],
    config: GRPOConfig,
    *,
    seed: int,
    step: int,
    ranks: Ranks,
) -> list[Minibatch]:
    """Cuts a step into its updates: `config.minibatches` for each of `config.epochs` passes.

    Each pass draws a new order of the groups and cuts it into equal numbers of them; the first minibatches get one more
    where that doesn't come out even. A group is never split. With fewer groups than minibatches each group is one;
    without any there is no update. Among ranks, all of which must call, the one with the most groups says how many, and
    others may have empty ones.
    """
    groups: dict[str, list[int]] = {}
    for index in trained(trajectories, config):
        groups.setdefault(trajectories[index].group, []).append(index)
    members = list(groups.values())
    parts = min(config.minibatches, int(ranks.largest(len(members))))
    return [
        tuple(sorted(index for number in part for index in members[number]))
        for epoch in range(config.epochs if parts else 0)
        for part in np.array_split(_order(len(members), seed, step, epoch), parts)
    ]


def _order(count: int, seed: int, step: int, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return generator(StreamKey(seed, Stream.MINIBATCHES, step=step, prompt=epoch)).permutation(count)

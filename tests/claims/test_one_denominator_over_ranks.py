"""Ranks that share a step do what one process does with all of it: one denominator, the same number of updates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed

from tests.ranks import run_ranks
from tests.trainyard_trainer import policies
from tests.trainyard_trainer.policies import policy, weights
from tests.trainyard_trainer.trajectories import segment, trajectory
from trainyard_api.algorithm import GRPOConfig, LossType
from trainyard_trainer.algorithms.advantages import with_advantages
from trainyard_trainer.algorithms.scored_batch import ScoredBatch
from trainyard_trainer.algorithms.update import prepare_batch, updates
from trainyard_trainer.numbers import Numbers, value_of
from trainyard_trainer.trajectory import Trajectory

pytestmark = pytest.mark.learning

GROUPS, SIZE = 4, 3
SHARES = {"two and two": ((0, 1), (2, 3)), "three and one": ((0, 1, 2), (3,)), "all and none": ((0, 1, 2, 3), ())}
LOSSES = {
    loss: GRPOConfig(loss=loss, steps=1, max_policy_tokens=20 if loss is LossType.DR_GRPO else None)
    for loss in LossType
}
CUT = GRPOConfig(steps=1, minibatches=3, epochs=2)


def step_of(groups: Sequence[int]) -> list[Trajectory]:
    """Some of the step's groups, of trajectories of 1 to 9 tokens; no sampler's log-probabilities are known."""
    step = []
    for group in groups:
        for sample in range(SIZE):
            tokens = 1 + (5 * group + 4 * sample) % 9
            part = segment(tokens, logprobs=(math.nan,) * (tokens + 1))
            step.append(trajectory((sample + group) % 3 / 2, prompt=group, sample=sample, segments=[part]))
    return with_advantages(step, CUT)


def train(groups: Sequence[int], config: GRPOConfig, ranks: Any = None) -> tuple[list[Numbers], torch.Tensor]:
    """One step of a new policy on these groups: outcomes of its updates, and the weights after it."""
    chosen = policy(group=ranks)
    batch: ScoredBatch = prepare_batch(chosen, step_of(groups), config, step=0)
    for _, _, after in updates(chosen, batch, config, seed=0):
        batch = after
    return list(batch.outcomes), weights(chosen)


def rank(number: int, folder: Path) -> None:
    """One process of two: what it found, into a file."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=2)
    ranks = distributed.group.WORLD
    found: dict[str, Any] = {}
    for share, groups in SHARES.items():
        for loss, config in LOSSES.items():
            outcomes, after = train(groups[number], config, ranks)
            found[f"{share} {loss}"] = (
                value_of(outcomes[0], "loss"),
                value_of(outcomes[0], "grad_norm"),
                value_of(outcomes[0], "trained_tokens"),
                after,
            )
        outcomes, after = train(groups[number], CUT, ranks)
        found[f"{share} cut"] = ([value_of(outcome, "trained_tokens") for outcome in outcomes], after)
    torch.save(found, folder / f"{number}.pt")
    distributed.destroy_process_group()


def test_shares_of_a_step_train_as_the_whole_step_does(tmp_path: Path) -> None:
    """Loss, gradient norm and token count are one process's, for every loss, also where a rank has nothing at all.

    Cut into minibatches, all ranks make as many updates as the one with the most groups, and hold the same bytes.
    """
    run_ranks(rank, tmp_path)
    first, second = (torch.load(tmp_path / f"{number}.pt") for number in (0, 1))
    for loss, config in LOSSES.items():
        (whole,), _ = train(range(GROUPS), config)
        for share in SHARES:
            *numbers, after = first[f"{share} {loss}"]
            assert numbers == pytest.approx(
                [*policies.found(whole, "loss", "grad_norm", "trained_tokens")],
                rel=1e-5,
                abs=1e-7,
            )
            assert torch.equal(after, second[f"{share} {loss}"][-1])
    tokens = sum(one.policy_tokens for one in step_of(range(GROUPS)))
    for share, count in (("two and two", 4), ("three and one", 6), ("all and none", 6)):
        of_updates, after = first[f"{share} cut"]
        assert len(of_updates) == count
        assert sum(of_updates) == 2 * tokens
        assert torch.equal(after, second[f"{share} cut"][1])

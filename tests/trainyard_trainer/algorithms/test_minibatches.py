"""How a step's trajectories are cut into updates."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainyard_trainer.policies import ALONE
from tests.trainyard_trainer.trajectories import trajectory
from trainyard_api.algorithm import GRPOConfig
from trainyard_trainer.algorithms.advantages import with_advantages
from trainyard_trainer.algorithms.minibatches import minibatches, trained
from trainyard_trainer.trajectory import Trajectory


def config(**changes: Any) -> GRPOConfig:
    """Settings of a run."""
    return GRPOConfig(**({"steps": 1} | changes))


def groups(count: int, size: int = 3) -> list[Trajectory]:
    """Groups of trajectories with rewards 0, 1, 2, ..."""
    return [trajectory(float(n), prompt=prompt, sample=n) for prompt in range(count) for n in range(size)]


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    count=st.integers(0, 9),
    parts=st.integers(1, 6),
    epochs=st.integers(1, 3),
    seed=st.integers(0, 9),
    step=st.integers(0, 9),
)
def test_every_pass_has_every_group_once_and_splits_none(
    count: int, parts: int, epochs: int, seed: int, step: int
) -> None:
    """In equal numbers of groups, one more at most; no update is empty."""
    step_of = groups(count)
    cuts = minibatches(step_of, config(minibatches=parts, epochs=epochs), seed=seed, step=step, ranks=ALONE)
    per_pass = min(parts, count)
    assert len(cuts) == per_pass * epochs
    for epoch in range(epochs if per_pass else 0):
        chosen = cuts[epoch * per_pass : (epoch + 1) * per_pass]
        assert sorted(index for cut in chosen for index in cut) == list(range(3 * count))
        held = [{step_of[index].group for index in cut} for cut in chosen]
        assert sum(len(names) for names in held) == count
        assert max(map(len, held)) - min(map(len, held)) <= 1


def test_the_order_follows_seed_step_and_pass_alone() -> None:
    """Equal for equal ones, other for others."""
    chosen = config(minibatches=4, epochs=2)
    one = minibatches(groups(8), chosen, seed=0, step=0, ranks=ALONE)
    assert one == minibatches(groups(8), chosen, seed=0, step=0, ranks=ALONE)
    assert one[:4] != one[4:]
    assert one != minibatches(groups(8), chosen, seed=1, step=0, ranks=ALONE)
    assert one != minibatches(groups(8), chosen, seed=0, step=1, ranks=ALONE)


def test_a_single_update_has_all_trajectories_in_their_order() -> None:
    """Whatever the seed."""
    for seed in range(3):
        assert minibatches(groups(4), config(), seed=seed, step=0, ranks=ALONE) == [tuple(range(12))]


def test_what_has_no_reward_is_not_trained() -> None:
    """A group of which nothing could be scored doesn't exist for an update."""
    step = [*groups(2), *(trajectory(prompt=9, sample=n) for n in range(3))]
    assert trained(step, config()) == list(range(6))
    assert len(minibatches(step, config(minibatches=3), seed=0, step=0, ranks=ALONE)) == 2
    assert minibatches(step[6:], config(), seed=0, step=0, ranks=ALONE) == []


@pytest.mark.parametrize("credit", ["Trajectory", "Turn"])
def test_groups_without_variance_are_dropped_where_the_manifest_says_so(credit: str) -> None:
    """By default they stay, and count."""
    chosen = config(drop_zero_variance_groups=True, credit=credit)
    equal = [trajectory(0.7, prompt=5, sample=n) for n in range(3)]
    step = with_advantages([*equal, *groups(1)], config())
    assert trained(step, chosen) == [3, 4, 5]
    assert trained(step, config(credit=credit)) == list(range(6))
    assert minibatches(step[:3], chosen, seed=0, step=0, ranks=ALONE) == []

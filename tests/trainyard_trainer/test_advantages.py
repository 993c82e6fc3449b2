"""Advantages compare a trajectory with its group, and with nothing else."""

from __future__ import annotations

import statistics

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.trainyard_trainer.small import trajectory
from trainyard_trainer.policy.advantages import group_advantages, with_advantages, zero_variance_groups
from trainyard_trainer.trajectory import TrajectoryStatus


def test_advantage_is_the_distance_from_the_mean_in_sample_deviations() -> None:
    """(r - mean) / (std + 1e-6), std with ddof 1."""
    rewards = [1.0, 0.0, 0.0, 0.5]
    expected = [(r - 0.375) / (statistics.stdev(rewards) + 1e-6) for r in rewards]
    assert np.allclose(group_advantages(rewards), expected, rtol=0, atol=1e-12)


@given(reward=st.floats(-1e6, 1e6), size=st.integers(1, 64))
def test_equal_rewards_give_exactly_zero(reward: float, size: int) -> None:
    """No remainder of float rounding is blown up."""
    assert not group_advantages([reward] * size).any()


def test_a_group_of_one_has_no_advantage() -> None:
    """A single scored trajectory has nothing to be compared with: 0, and no normalised reward."""
    failed = trajectory(sample=1, status=TrajectoryStatus.FAILED_REWARD)
    alone, _ = with_advantages([trajectory(1.0), failed])
    assert (alone.advantage, alone.normalised_reward) == (0.0, None)


def test_groups_are_told_apart_by_id_not_by_text() -> None:
    """Equal questions in two groups aren't compared with each other."""
    result = with_advantages([trajectory(r, prompt=p) for p in (0, 1) for r in ((1.0, 1.0) if p else (0.0, 0.0))])
    assert [t.advantage for t in result] == [0.0] * 4
    assert zero_variance_groups(result) == 2


def test_failed_trajectories_change_nobody_elses_advantage() -> None:
    """They are out of mean and deviation, and keep advantage 0."""
    scored = [trajectory(r, sample=n) for n, r in enumerate((1.0, 0.0, 0.0))]
    failed = trajectory(sample=9, status=TrajectoryStatus.FAILED_ENVIRONMENT)
    without, with_failed = with_advantages(scored), with_advantages([failed, *scored])
    assert [t.advantage for t in with_failed] == [0.0, *(t.advantage for t in without)]
    assert with_failed[0].normalised_reward is None
    assert without[0].normalised_reward == without[0].advantage > 0

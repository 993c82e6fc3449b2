"""What counts of a trajectory: tokens that the policy sampled, and a reward where there is one."""

from __future__ import annotations

import dataclasses

import pytest

from tests.trainyard_trainer.trajectories import segment, trajectory
from trainyard_trainer.trajectory import TrajectoryId, TrajectoryStatus


def test_only_sampled_tokens_are_the_policys() -> None:
    """Neither the prompt's nor a tool's; over all segments of a history that was rewritten."""
    one, other = segment(3, tool=2), segment(2)
    assert (one.policy_tokens, len(one.token_ids)) == (3, 6)
    assert trajectory(1.0, segments=[one, other]).policy_tokens == 5


def test_a_reward_of_nothing_is_a_reward() -> None:
    """A trajectory counts unless its scoring failed."""
    assert trajectory(0.0).scored
    failed = trajectory(None)
    assert (failed.scored, failed.status) == (False, TrajectoryStatus.FAILED_REWARD)


def test_later_stations_make_new_values() -> None:
    """Nobody's trajectory changes behind his back; ids are in the order of steps, prompts and samples."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        trajectory(1.0).advantage = 2.0  # type: ignore[misc]
    ids = [TrajectoryId("r", 1, 0, 0), TrajectoryId("r", 0, 2, 0), TrajectoryId("r", 0, 1, 5)]
    assert sorted(ids) == ids[::-1]

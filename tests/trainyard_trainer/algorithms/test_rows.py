"""What of a trajectory is trained, and how much each token counts."""

from __future__ import annotations

import math

import pytest

from tests.trainyard_trainer.policies import ALONE
from tests.trainyard_trainer.trajectories import segment, trajectory
from trainyard_api.algorithm import GRPOConfig
from trainyard_trainer.algorithms.denominators import UpdateSize, update_size
from trainyard_trainer.algorithms.rows import MAX_STALE_WEIGHT, bare_rows, grpo_rows, is_stale
from trainyard_trainer.algorithms.scored_batch import ScoredBatch

CONFIG = GRPOConfig(steps=1)
NAN = math.nan


def test_every_segment_of_a_trajectory_is_a_row() -> None:
    """With the trajectory's advantage or the tokens' own, and the number of its trajectory; tools' tokens weigh 0."""
    forked = trajectory(
        1.0, advantage=0.5, segments=[segment(2, tool=1), segment(1, advantages=(0.0, 2.0), support=(None, (1, 2)))]
    )
    step = (trajectory(0.0, sample=1, advantage=-0.5), forked)
    first, second = grpo_rows(ScoredBatch(0, 0, step), [1], CONFIG, update_size(step, ALONE), 0)
    assert (first.trajectory, second.trajectory) == (1, 1)
    assert first.mask == (False, True, False, True)
    assert first.weights == (0.0, 1 / 6, 0.0, 1 / 6)
    assert first.advantages == (0.5,) * 4
    assert second.advantages == (0.0, 2.0)
    assert second.support == (None, (1, 2))
    assert first.sampler_logprobs == forked.segments[0].logprobs
    assert (first.old_logprobs, first.reference_logprobs, first.on_policy) == (None, None, True)


def test_stale_tokens_weigh_what_the_old_policy_makes_of_them() -> None:
    """min(exp(old - sampler), 2), token by token: a version that changes within a turn counts from there on."""
    late = segment(3, policy_versions=(4, 4, 4, 5), logprobs=(NAN, -1.0, -1.0, -1.0))
    old = (((NAN, -1.5, -0.1, -7.0),),)
    batch = ScoredBatch(6, 5, (trajectory(1.0, segments=[late]),), old_logprobs=old)
    (row,) = grpo_rows(batch, [0], CONFIG, UpdateSize(1, 3), 5)
    assert row.weights == pytest.approx((0.0, math.exp(-0.5) / 3, MAX_STALE_WEIGHT / 3, 1 / 3))
    assert row.old_logprobs == old[0][0]
    assert not row.on_policy


def test_later_updates_of_a_batch_weigh_its_own_tokens_fully() -> None:
    """They are stale to the policy of now, not to the old one, to which the ratio is taken; the sampler isn't checked
    against a policy that has moved on.
    """
    batch = ScoredBatch(0, 0, (trajectory(1.0),), (((NAN, -9.0, -9.0, -9.0),),), (((NAN, -2.0, -2.0, -2.0),),))
    (row,) = grpo_rows(batch, [0], CONFIG, UpdateSize(1, 3), 1)
    assert row.weights == pytest.approx((0.0, 1 / 3, 1 / 3, 1 / 3))
    assert not row.on_policy
    assert row.reference_logprobs == batch.reference_logprobs[0][0]


def test_a_stale_token_without_an_old_log_probability_is_a_mistake() -> None:
    """Rather than a silent weight of 1."""
    batch = ScoredBatch(3, 2, (trajectory(1.0, segments=[segment(1, version=1)]),))
    with pytest.raises(ValueError, match="token 1 was sampled by version 1, and has no old log-probability"):
        grpo_rows(batch, [0], CONFIG, UpdateSize(1, 1), 2)


def test_versions_of_tokens_that_nobody_sampled_do_not_matter() -> None:
    """A prompt has no version."""
    assert not is_stale(segment(2, policy_versions=(0, 3, 3)), 3)
    assert is_stale(segment(2, policy_versions=(3, 3, 0)), 3)


def test_bare_rows_are_for_scoring_and_weigh_nothing() -> None:
    """In the order of the indices."""
    step = [trajectory(1.0), trajectory(0.0, sample=1, segments=[segment(1), segment(2)])]
    rows = bare_rows(step, [0, 1], 0)
    assert [row.trajectory for row in rows] == [0, 1, 1]
    assert all(row.on_policy for row in rows)
    assert not any(row.on_policy for row in bare_rows(step, [0, 1], 1))
    assert not any(weight for row in rows for weight in row.weights)

"""Advantages compare a trajectory with its group, and with nothing else."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainyard_trainer.trajectories import of_turns, policy_turn, segment, trajectory
from trainyard_api.algorithm import Credit, GRPOConfig
from trainyard_trainer.algorithms.advantages import (
    frac_reward_zero_std,
    group_advantages,
    learns_nothing,
    turn_advantages,
    with_advantages,
)

CONFIG = GRPOConfig(steps=1)


def by_turn(**changes: Any) -> GRPOConfig:
    """Settings with credit by turn."""
    return GRPOConfig(**({"steps": 1, "credit": Credit.TURN} | changes))


def test_advantage_is_the_distance_from_the_mean_in_sample_deviations() -> None:
    """(r - mean) / (std + 1e-6), std with ddof 1."""
    rewards = [1.0, 0.0, 0.0, 0.5]
    expected = [(r - 0.375) / (statistics.stdev(rewards) + 1e-6) for r in rewards]
    assert np.allclose(group_advantages(rewards), expected, rtol=0, atol=1e-12)


@given(reward=st.floats(-1e6, 1e6), size=st.integers(1, 64))
def test_equal_rewards_give_exactly_zero(reward: float, size: int) -> None:
    """No remainder of float rounding is blown up."""
    assert not group_advantages([reward] * size).any()
    assert group_advantages([1, 1]).dtype == np.float64, "whole numbers are numbers too"


def test_two_are_a_group() -> None:
    """Half a deviation's distance on either side, which is their normalised reward too."""
    better, worse = with_advantages([trajectory(1.0), trajectory(0.0, sample=1)], CONFIG)
    assert better.normalised_reward == better.advantage == pytest.approx(math.sqrt(0.5), abs=1e-5)
    assert worse.normalised_reward == worse.advantage == -better.advantage


def test_a_group_of_one_has_no_advantage() -> None:
    """A single scored trajectory has nothing to be compared with: 0, and no normalised reward."""
    for config in (CONFIG, by_turn()):
        alone, _ = with_advantages([of_turns([1.0]), trajectory(sample=1)], config)
        assert (alone.advantage, alone.normalised_reward) == (0.0, None)
        assert learns_nothing(alone)


def test_a_trajectory_that_is_alone_has_no_advantage_at_any_turn() -> None:
    """However its returns differ from turn to turn: there is no sibling to compare them with."""
    assert turn_advantages([[1.0, 0.25, -1.0]]) == [[0.0, 0.0, 0.0]]


def test_groups_are_told_apart_by_id_not_by_text() -> None:
    """Equal questions in two groups aren't compared with each other."""
    step = [trajectory(r, prompt=p) for p in (0, 1) for r in ((1.0, 1.0) if p else (0.0, 0.0))]
    result = with_advantages(step, CONFIG)
    assert [t.advantage for t in result] == [0.0] * 4
    assert frac_reward_zero_std(result) == 1.0


def test_failed_trajectories_change_nobody_elses_advantage() -> None:
    """They are out of mean and deviation, and keep advantage 0."""
    scored = [trajectory(r, sample=n) for n, r in enumerate((1.0, 0.0, 0.0))]
    without, with_failed = with_advantages(scored, CONFIG), with_advantages([trajectory(sample=9), *scored], CONFIG)
    assert [t.advantage for t in with_failed] == [0.0, *(t.advantage for t in without)]
    assert with_failed[0].normalised_reward is None
    assert without[0].normalised_reward == without[0].advantage > 0


def test_a_group_of_which_everything_failed_is_no_group() -> None:
    """Neither an advantage nor a group without variance."""
    failed = [trajectory(sample=n) for n in range(3)]
    assert with_advantages(failed, CONFIG) == failed
    assert frac_reward_zero_std(failed) is None


def test_a_long_trajectory_counts_once_however_many_rows_it_has() -> None:
    """Statistics are over trajectories."""
    forked = trajectory(1.0, segments=[segment(9), segment(9), segment(9)])
    one, *_ = with_advantages([forked, trajectory(0.0, sample=1), trajectory(0.5, sample=2)], CONFIG)
    assert one.advantage == pytest.approx(1.0, abs=1e-5)


def test_a_discount_makes_the_faster_of_two_successes_the_better() -> None:
    """Both are told from each other by the turns they took; without it they aren't."""
    group = [of_turns([1.0]), of_turns([0.0, 1.0], sample=1)]
    fast, slow = with_advantages(group, GRPOConfig(steps=1, gamma="0.9"))
    assert fast.advantage == pytest.approx(-slow.advantage)
    assert fast.advantage > 0.7
    assert frac_reward_zero_std(with_advantages(group, CONFIG)) == 1


def slow_turn_advantages(returns: list[list[float]]) -> list[list[float]]:
    """As the docstring says it, sum by sum."""
    everything = [value for row in returns for value in row]
    scale = statistics.stdev(everything) + 1e-6
    result = []
    for own, row in enumerate(returns):
        siblings = [other for index, other in enumerate(returns) if index != own]
        advantages = []
        for turn, value in enumerate(row):
            alive = [other[turn] for other in siblings if len(other) > turn]
            ended = [other[0] for other in siblings if len(other) <= turn]
            advantages.append((value - (sum(alive) + sum(ended)) / len(siblings)) / scale)
        result.append(advantages)
    return result


@settings(derandomize=True, database=None)
@given(st.lists(st.lists(st.sampled_from([-1.0, 0.0, 0.1, 0.5, 1.0]), min_size=1, max_size=4), min_size=2, max_size=5))
def test_a_turn_is_compared_with_its_siblings_same_turn(returns: list[list[float]]) -> None:
    """Leaving itself out; one that ended earlier stands in with its whole return."""
    found = turn_advantages(returns)
    if len({value for row in returns for value in row}) == 1:
        assert not any(value for row in found for value in row)
        return
    for ours, expected in zip(found, slow_turn_advantages(returns), strict=True):
        assert ours == pytest.approx(expected, abs=1e-9)


def test_a_baseline_does_not_depend_on_the_trajectorys_own_rewards() -> None:
    """But for the scale: else it would be biased."""
    for own in (0.0, 5.0, -3.0):
        returns = [[own, own], [1.0, 0.0], [2.0, 1.0]]
        scale = statistics.stdev([value for row in returns for value in row]) + 1e-6
        first, second = turn_advantages(returns)[0]
        assert (own - first * scale, own - second * scale) == pytest.approx((1.5, 0.5))


def test_tokens_have_the_advantage_of_their_turn() -> None:
    """Tools' tokens have 0; the trajectory's own is the mean over its policy tokens."""
    good_then_bad, bad_then_good = with_advantages(
        [of_turns([1.0, -1.0]), of_turns([-1.0, 1.0], sample=1)], by_turn(gamma="0.0")
    )
    scale = statistics.stdev([1.0, -1.0, -1.0, 1.0]) + 1e-6
    up, down = pytest.approx(2 / scale), pytest.approx(-2 / scale)
    assert list(good_then_bad.segments[0].advantages) == [0.0, up, up, 0.0, down, down]
    assert list(bad_then_good.segments[0].advantages) == [0.0, down, down, 0.0, up, up]
    assert good_then_bad.advantage == pytest.approx(0.0)
    assert not learns_nothing(good_then_bad)
    assert frac_reward_zero_std([good_then_bad, bad_then_good]) == 0


def test_turns_of_a_forked_history_find_their_rows() -> None:
    """A turn names its segment."""
    forked = trajectory(
        1.0,
        segments=[segment(2), segment(1)],
        turns=(policy_turn(1, 3), policy_turn(1, 2, number=1)),
        turn_rewards=(0.0, 1.0),
    )
    first, _ = with_advantages([forked, replace(of_turns([0.0, 0.0]))], by_turn(gamma="0.0"))
    assert first.segments[0].advantages == (0.0, 0.0, 0.0)
    assert first.segments[1].advantages[1] > 0


def test_a_trajectory_that_never_spoke_is_a_sibling_like_others() -> None:
    """Its environment ended it at once: it has a return to compare with, and no turn to give credit to."""
    speechless = trajectory(1.0, sample=1, segments=[segment(0)])
    spoke, silent = with_advantages([of_turns([0.0]), speechless], by_turn())
    assert silent.advantage == 0.0
    assert spoke.advantage < -1


def test_a_policy_token_outside_of_all_turns_is_a_mistake() -> None:
    """Credit by turn can't place it."""
    astray = trajectory(1.0, sample=1, turns=(policy_turn(1, 3),))
    with pytest.raises(ValueError, match=r"token 3 of segment 0 of .* belongs to no turn of the policy"):
        with_advantages([of_turns([0.0]), astray], by_turn())

"""Discounted returns: a step of the agent is a turn of the policy."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainyard_trainer.trajectories import of_turns, policy_turn, trajectory
from trainyard_trainer.algorithms.returns import discounted_return, policy_turns, returns_to_go, rewards_by_turn
from trainyard_trainer.trajectory import Role


@given(rewards=st.lists(st.floats(-5, 5), min_size=1, max_size=8), gamma=st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_returns_are_the_discounted_sums_from_each_turn_on(rewards: list[float], gamma: float) -> None:
    """Against the sum as it is written in books."""
    one = of_turns(rewards)
    expected = [sum(gamma ** (k - t) * rewards[k] for k in range(t, len(rewards))) for t in range(len(rewards))]
    assert returns_to_go(one, gamma) == pytest.approx(expected, abs=1e-9)
    assert discounted_return(one, gamma) == pytest.approx(expected[0], abs=1e-9)


def test_a_reward_without_turns_comes_at_the_last() -> None:
    """Discounted by the turns before it: 1 after three turns is worth 0.81 at 0.9."""
    judged_at_the_end = replace(of_turns([0.0, 0.0, 1.0]), turn_rewards=None)
    assert rewards_by_turn(judged_at_the_end) == [0.0, 0.0, 1.0]
    assert discounted_return(judged_at_the_end, 0.9) == pytest.approx(0.81)


def test_what_rewards_by_turn_do_not_account_for_comes_at_the_last() -> None:
    """The sum over turns is the total reward, always."""
    mixed = replace(of_turns([0.1, 0.1]), total_reward=1.2)
    assert rewards_by_turn(mixed) == pytest.approx([0.1, 1.1])


def test_what_rounding_leaves_of_a_sum_is_no_reward() -> None:
    """Less than 1e-12 of it, or a billionth; a turn's reward stays what it was given."""
    for rewards, sum_ in (((1e-13, 0.0), 0.0), ((1e9, 1.0), 1e9 + 1.5)):
        assert rewards_by_turn(replace(of_turns(rewards), total_reward=sum_)) == list(rewards)


def test_without_discount_the_return_is_the_total_reward_itself() -> None:
    """To the bit, so that equal rewards stay equal."""
    total = 0.1 + 0.2
    assert discounted_return(replace(of_turns([0.1, 0.2]), total_reward=total), 1.0) == total
    summed_by_turn = 0.1 + (0.1 + 0.4)
    assert discounted_return(of_turns([0.1, 0.1, 0.4]), 1.0) == math.fsum([0.1, 0.1, 0.4]) != summed_by_turn


def test_tools_turns_are_no_steps() -> None:
    """Nor are prompts."""
    tool = replace(policy_turn(0, 1), role=Role.TOOL)
    assert policy_turns(trajectory(1.0, turns=(tool, policy_turn(1, 2)))) == [policy_turn(1, 2)]


def test_a_trajectory_that_never_spoke_has_one_return() -> None:
    """An environment may end it before the policy's first turn."""
    assert returns_to_go(trajectory(0.5), 0.9) == [0.5]


def test_rewards_that_do_not_fit_the_turns_are_a_mistake() -> None:
    """As is a trajectory without any."""
    with pytest.raises(ValueError, match="must have one reward for each of 2 turns; got 1"):
        rewards_by_turn(replace(of_turns([0.1, 0.2]), turn_rewards=(0.3,)))
    with pytest.raises(ValueError, match="has no reward"):
        rewards_by_turn(trajectory())

"""Shaped rewards: what the issue of a conversation is worth besides its answer."""

from __future__ import annotations

import pytest

from tests.trainyard_trainer.told import said, told
from trainyard_api.training_job_spec import RewardTerm
from trainyard_trainer.registry import load_rewards
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.rewards.shaped import tool_success, turns, verification

SHAPED = [
    RewardTerm(name="exact"),
    RewardTerm(name="tool_success", weight="0.1"),
    RewardTerm(name="verification", weight="0.05"),
    RewardTerm(name="turns", weight="-0.01"),
]


def test_the_usual_sum() -> None:
    """Right answer, two good calls of three, the last one verified, four turns: 1 + 0.2 + 0.05 - 0.04."""
    conversation = told(
        said("sum(6)", True, "21"), said("add(x)", False, "error: x"), said("add(21)", True, "7"), said("7")
    )
    (found,) = score([conversation], load_rewards(SHAPED))
    assert found.rewards == {"exact": 1.0, "tool_success": 2.0, "verification": 1.0, "turns": 4.0}
    assert found.total_reward == pytest.approx(1.21)
    assert found.turn_rewards == pytest.approx((0.09, -0.01, 0.09, 1.04))


def test_only_a_successful_call_verifies_and_only_once() -> None:
    """The failed call's text equals the answer, too; twice the same result counts once."""
    assert verification(told(said("f", False, "7"), said("7"))) == 0.0
    assert verification(told(said("f", True, "8"), said("7"))) == 0.0
    assert verification(told(said("f", True, " 7\n"), said("g", True, "7"), said("7"))) == 1.0
    assert verification(told(said("f", True, "7"), said("7"), answer=None)) == 0.0


def test_results_of_several_calls_in_one_turn_verify_each() -> None:
    """They stand one to a line."""
    assert verification(told(said("f\ng", True, "3\n7"), said("7"))) == 1.0


def test_a_trajectory_without_a_turn_has_no_rewards_by_turn() -> None:
    """Not a list of none, which would be no number."""
    assert tool_success(told()) == turns(told()) == 0.0

"""Shaped rewards: what the issue of a conversation is worth besides its answer."""

from __future__ import annotations

import pytest

from tests.trainyard_trainer.told import bad, good, said, told
from trainyard_api.task import RewardTerm
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.rewards.shaped import tool_success, turns, verification
from trainyard_trainer.training.registry import load_rewards
from trainyard_trainer.trajectory import CallOutcome

SHAPED = [
    RewardTerm(name="exact"),
    RewardTerm(name="tool_success", weight="0.1"),
    RewardTerm(name="verification", weight="0.05"),
    RewardTerm(name="turns", weight="-0.01"),
]


def test_the_usual_sum() -> None:
    """Right answer, two good calls of three, the last one verified, four turns: 1 + 0.2 + 0.05 - 0.04."""
    conversation = told(said("a", good("21")), said("b", bad("error: x")), said("c", good("7")), said("7"))
    (found,) = score([conversation], load_rewards(SHAPED))
    assert found.rewards == {"exact": 1.0, "tool_success": 2.0, "verification": 1.0, "turns": 4.0}
    assert found.total_reward == pytest.approx(1.21)
    assert found.turn_rewards == pytest.approx((0.09, -0.01, 0.09, 1.04))


@pytest.mark.parametrize(
    ("calls", "successes", "verified"),
    [
        ((good("3"), good("7")), 2.0, 1.0),
        ((good("7"), bad()), 1.0, 1.0),
        ((bad("7"), good("3")), 1.0, 0.0),
        ((bad("7"), bad()), 0.0, 0.0),
    ],
    ids=["both good", "one bad beside the one that verifies", "only the bad one shows the answer", "both bad"],
)
def test_calls_of_one_turn_count_one_by_one(calls: tuple[CallOutcome, ...], successes: float, verified: float) -> None:
    """Each good one is worth its 0.1, in the turn that made it, whatever stands beside it."""
    (found,) = score([told(said("two calls", *calls), said("7"))], load_rewards(SHAPED))
    assert found.rewards == {"exact": 1.0, "tool_success": successes, "verification": verified, "turns": 2.0}
    assert found.turn_rewards == pytest.approx((0.1 * successes - 0.01, 1 + 0.05 * verified - 0.01))
    assert found.total_reward == pytest.approx(1 + 0.1 * successes + 0.05 * verified - 0.02)


def test_only_the_result_of_a_successful_call_verifies_and_only_once() -> None:
    """Blanks around don't matter; twice the same result counts once; a line of a longer result isn't the result."""
    assert verification(told(said("f", good("8")), said("7"))) == 0.0
    assert verification(told(said("f", good(" 7\n")), said("g", good("7")), said("7"))) == 1.0
    assert verification(told(said("f", good("7\n8")), said("7"))) == 0.0
    assert verification(told(said("f", good("1000")), said("x"), answer="1,000")) == 1.0
    assert verification(told(said("f", good("7")), said("7"), answer=None)) == 0.0


def test_a_trajectory_without_a_turn_has_no_rewards_by_turn() -> None:
    """Not a list of none, which would be no number."""
    assert tool_success(told()) == turns(told()) == 0.0

"""What a reward returned is read as numbers, or said to be none."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainyard_trainer.told import said, told
from trainyard_trainer.rewards.values import LARGEST, NoValue, RewardValue, placed, policy_turns, read_value

TWO_TURNS = told(said(), said())


@pytest.mark.parametrize(
    ("returned", "number"),
    [(1, 1.0), (True, 1.0), (Decimal("0.5"), 0.5), (np.float32(0.5), 0.5), (torch.tensor(2), 2.0), (-LARGEST, -1e100)],
)
def test_numbers_of_every_library_are_numbers(returned: Any, number: float) -> None:
    """Up to the largest size that groups can have statistics of."""
    assert read_value(returned, TWO_TURNS) == RewardValue(number)


@pytest.mark.parametrize("returned", [None, "1", 1j, math.nan, math.inf, 1.01e100, 10**400, np.array([1.0]), {}])
def test_everything_else_is_told_as_it_was_returned(returned: Any) -> None:
    """A text is never read as a number."""
    found = read_value(returned, TWO_TURNS)
    assert isinstance(found, NoValue)
    assert found.problem.startswith("returned ")
    assert found.problem.endswith(", not a finite number of at most 1e+100")


def test_a_list_has_a_number_for_each_policy_turn() -> None:
    """They add up without an error of their own; a list of another length, or with something else in it, is none."""
    assert policy_turns(TWO_TURNS) == 2
    assert read_value([0.1, 0.2], TWO_TURNS) == RewardValue(math.fsum([0.1, 0.2]), (0.1, 0.2))
    assert read_value((1, 2), TWO_TURNS) == RewardValue(3.0, (1.0, 2.0))
    for returned in ([], [1.0], [1.0, 2.0, 3.0], [1.0, None], [1.0, math.nan]):
        found = read_value(returned, TWO_TURNS)
        assert isinstance(found, NoValue)
        assert found.problem.endswith("for each of 2 policy turns")


def test_only_what_is_none_gets_the_place_of_its_function() -> None:
    """Where that is known."""
    assert placed(RewardValue(1.0), "mine.py:3") == RewardValue(1.0)
    assert placed(NoValue("returned None"), "mine.py:3") == NoValue("returned None at mine.py:3")
    assert placed(NoValue("returned None"), None) == NoValue("returned None")

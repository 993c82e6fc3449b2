"""The reward `positions`: every right place counts."""

from __future__ import annotations

import pytest

from tests.trainyard_trainer.told import said, told
from trainyard_trainer.rewards.positions import positions


@pytest.mark.parametrize(
    ("answer", "reward"), [("472", 1.0), ("4", 1 / 3), ("872", 2 / 3), ("4725", 0.75), ("", 0.0), ("247", 0.0)]
)
def test_share_of_right_places(answer: str, reward: float) -> None:
    """Of the longer one's length, so that neither a missing nor a further character is free."""
    assert positions(told(said(), answer=answer, expected="472")) == pytest.approx(reward)


def test_what_was_cut_off_counts_too() -> None:
    """Without an answer the last turn is looked at; without any turn there is nothing."""
    assert positions(told(said("999"), said("4799"), answer=None, expected="472")) == 0.5
    assert positions(told(answer=None, expected="472")) == 0.0


def test_blanks_around_are_no_places() -> None:
    """As the verdict has it."""
    assert positions(told(said(), answer="472", expected=" 472\n")) == 1.0

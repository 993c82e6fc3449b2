"""The reward `exact`."""

from __future__ import annotations

import pytest

from tests.trainyard_trainer.trajectories import trajectory
from trainyard_trainer.rewards.exact import exact


@pytest.mark.parametrize(("answer", "reward"), [("00020", 1.0), ("20", 0.0), ("00021", 0.0), (None, 0.0)])
def test_only_the_expected_answer_is_rewarded(answer: str | None, reward: float) -> None:
    """No answer is no reward."""
    assert exact(trajectory(answer=answer, expected="00020")) == reward


@pytest.mark.parametrize(("answer", "expected"), [("8", "8\n"), ("8 ", "8"), ("cafe\u0301", "caf\u00e9")])
def test_what_a_reader_cannot_tell_apart_is_the_same(answer: str, expected: str) -> None:
    """As the verdict has it: an answer is stripped, so the outcome is, too."""
    assert exact(trajectory(answer=answer, expected=expected)) == 1.0

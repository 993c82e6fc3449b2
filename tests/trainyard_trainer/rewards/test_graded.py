"""The reward `graded`: right, nearly right, wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainyard_trainer.told import said, told
from trainyard_trainer.rewards.graded import graded


def grade(answer: str | None, expected: str) -> float:
    """The reward of an answer."""
    return graded(told(said(), answer=answer, expected=expected))


@pytest.mark.parametrize(
    ("answer", "expected", "reward"),
    [
        ("100", "100", 1.0),
        ("100.0", "100", 1.0),
        ("00100", "100", 1.0),
        ("105", "100", 0.75),
        ("95", "100", 0.75),
        ("-105", "-100", 0.75),
        ("110", "100", 0.5),
        ("90", "100", 0.5),
        ("0.33", "0.3", 0.5),
        ("110.0001", "100", 0.0),
        ("-100", "100", 0.0),
        ("0", "0", 1.0),
        ("0.0", "0", 1.0),
        ("0.0001", "0", 0.0),
        ("1e2", "100", 1.0),
        ("Paris", "Paris", 1.0),
        ("Paris", "Paris\n", 1.0),
        ("1/3", "1/3", 1.0),
        ("0.35", "1/3", 0.75),
        ("1,050", "1000", 0.75),
        ("paris", "Paris", 0.0),
        ("12 apples", "12", 0.0),
        ("", "12", 0.0),
        ("nan", "12", 0.0),
        ("inf", "12", 0.0),
        ("nan", "nan", 1.0),
        ("1_000", "1000", 0.0),
        ("9" * 10_000, "12", 0.0),
        ("1e999999999", "12", 0.0),
        (None, "12", 0.0),
        (None, "", 0.0),
    ],
)
def test_rewards_of_answers(answer: str | None, expected: str, reward: float) -> None:
    """Exact 1.0; within 10 % linear down to 0.5, the border included; all else 0.0."""
    assert grade(answer, expected) == pytest.approx(reward, abs=1e-12)


@given(expected=st.integers(1, 10**6), error=st.integers(0, 10**6))
def test_nearer_is_never_worse(expected: int, error: int) -> None:
    """The reward falls with the error, and is 0 or at least a half."""
    near, far = grade(str(expected + error), str(expected)), grade(str(expected + error + 1), str(expected))
    assert near >= far
    assert near == 0.0 or 0.5 <= near <= 1.0

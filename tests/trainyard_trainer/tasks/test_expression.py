"""Arithmetic is worked out exactly, and nothing else is."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard_trainer.tasks.expression import ExpressionError, evaluate, written

NUMBERS = st.integers(0, 999).map(str)
EXPRESSIONS = st.recursive(
    NUMBERS,
    lambda inner: st.builds("({}{}{})".format, inner, st.sampled_from("+-*"), inner) | inner.map("-{}".format),
    max_leaves=12,
)


@given(EXPRESSIONS)
def test_it_agrees_with_python(text: str) -> None:
    """On whole numbers, signs and brackets."""
    if len(text) <= 200:
        assert evaluate(text) == eval(text)


@pytest.mark.parametrize(
    ("text", "result"),
    [("1+2*3", "7"), (" 10 - 2 - 3 ", "5"), ("12/8", "1.5"), ("1/3", "1/3"), ("0.1+0.2", "0.3"), ("-(2+3)*-4", "20"),
     ("8/2/2", "2"), ("2*-3", "-6"), ("1/1000", "0.001"), ("-1/8", "-0.125"), ("7", "7")],
)  # fmt: skip
def test_results_as_people_write_them(text: str, result: str) -> None:
    """From the left, products first; decimals where they end."""
    assert written(evaluate(text)) == result


@pytest.mark.parametrize(
    "text",
    ["", "1+", "(1", "1)", "1 2", "*2", "2**3", "1/0", "1/(2-2)", "a", "__import__('os')", "1e5", "1,000",
     "\u0661", "(" * 150, "-" * 150 + "1", "1+" * 150 + "1", "9" * 31],
)  # fmt: skip
def test_everything_else_is_refused_in_words(text: str) -> None:
    """No code runs, nothing grows without bounds."""
    with pytest.raises(ExpressionError, match=r"\w"):
        evaluate(text)


@given(st.fractions(max_denominator=1000))
def test_what_is_written_is_the_value(value: Fraction) -> None:
    """Nothing is rounded."""
    assert Fraction(written(value)) == value

"""When two answers are the same, and which number a text is or ends with."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard_trainer.answers import canonical, equals, is_ambiguous, last_number, number_of, same_answer
from trainyard_trainer.tasks.expression import written


@pytest.mark.parametrize(
    ("answer", "expected", "same"),
    [
        ("8", "8\n", True),
        (" 8 ", "8", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("8", "08", False),
        ("b", "B", False),
        ("2", "\u00b2", False),
        (None, "", False),
        ("", "", True),
    ],
)
def test_what_a_reader_cannot_tell_apart_is_the_same(answer: str | None, expected: str, same: bool) -> None:
    """White space at the ends and the way that an accent is written don't count; case and digits do."""
    assert same_answer(answer, expected) is same


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4371", 4371), ("+7", 7), ("007", 7), ("-12", -12), ("\u22125", -5), ("1.50", Fraction(3, 2)), ("5.", 5),
        (".5", Fraction(1, 2)), ("1,234,567.5", Fraction(2469135, 2)), ("1e3", 1000), ("1.5E-2", Fraction(3, 200)),
        ("1/3", Fraction(1, 3)), ("-2/6", Fraction(-1, 3)), (" 7\n", 7),
        ("1/0", None), ("1.5/2", None), ("1e3/2", None), ("12,34", None), ("1,2", None), ("0,5", None), ("1e301", None),
        ("9" * 101, None), ("2024-01-30", None), ("5%", None), ("3rd", None), ("1_000", None), ("0x10", None),
        ("\u0663", None), ("nan", None), ("inf", None), ("", None), ("-", None), (".", None), ("e3", None),
    ],
)  # fmt: skip
def test_a_whole_text_is_a_number_or_none(text: str, value: Fraction | None) -> None:
    """By its decimal value; commas part thousands only."""
    assert number_of(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The answer is 4,371.", 4371), ("47*93 = 4371", 4371), ("20-52=-32", -32), ("Answer:42", 42), ("x=-5", -5),
        (r"\boxed{42}", 42), ("$1,234.50", Fraction(2469, 2)), ("**42**", 42), ("It is 2/3", Fraction(2, 3)),
        ("about 1e3, I think", 1000), ("12, then 13", 13), ("1 / 3", Fraction(1, 3)), (r"\frac{1}{3}", Fraction(1, 3)),
        ("_42_", 42), ("42\u2014that is it", 42), ("42 (my 2nd try)", None), ("5 on 2024-01-30", None),
        ("Out of 100 eggs, 42% broke.", None), ("40 + 2, so 42km", None), ("42 %", None), (r"42\%", None),
        ("2024-01-30", None), ("at 12:30", None), ("5-3", None), ("50%", None), ("42kg", None), ("no idea", None),
        ("", None), ("9" * 300, None),
    ],
)  # fmt: skip
def test_the_last_word_with_a_digit_counts(text: str, value: Fraction | None) -> None:
    """If it is a number: neither a part of a word nor what was said before it does."""
    assert last_number(text) == value


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6))
def test_a_number_is_read_as_it_is_written(numerator: int, denominator: int) -> None:
    """Alone and at the end of a sentence."""
    value = Fraction(numerator, denominator)
    assert number_of(written(value)) == value
    assert last_number(f"So it is {written(value)}.") == value


@pytest.mark.parametrize(("answer", "result"), [("1,000", "1000"), ("0.50", "0.5"), ("a", "a\n"), ("1/3", "2/6")])
def test_an_answer_equals_a_result_as_a_text_or_in_value(answer: str, result: str) -> None:
    """As a verdict has it."""
    assert equals(answer, result)
    assert not equals(None, result)
    assert not equals("other", result)


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    """Every text is a number or none, and one that is a number is its own last one."""
    value = number_of(text)
    if value is not None:
        assert last_number(f"= {canonical(text)}") == value
        assert not is_ambiguous(text)


@pytest.mark.parametrize("expected", ["12 apples", "2024-01-30", "5%", "1/0", "H2O", "12,34"])
def test_digits_that_are_no_number_are_ambiguous(expected: str) -> None:
    """Nobody could say which part must be met."""
    assert is_ambiguous(expected)
    assert not is_ambiguous("Paris")

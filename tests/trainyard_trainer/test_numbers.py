"""Parts of a number become one: means by their counts, sums, maxima; what has no value counts nowhere."""

from __future__ import annotations

import math

import pytest

from trainyard_trainer.numbers import (
    Kind,
    Number,
    largest,
    mean,
    merged,
    numbers_from_state,
    numbers_to_state,
    total,
    value_of,
    values_of,
)


def test_updates_of_a_step_become_one() -> None:
    """Means over updates or tokens, the largest difference, sums of counts; what none has is absent."""
    first = {"loss": mean(1.0), "entropy": mean(5.0, 10), "difference/max": largest(0.01), "tokens": total(10)}
    second = {"entropy": mean(20.0, 20), "tokens": total(20), "skipped": total(1)}
    found = merged([first, {}, second, second])
    assert values_of(found) == {
        "loss": 1.0, "entropy": pytest.approx(45 / 50), "difference/max": 0.01, "tokens": 50.0, "skipped": 2.0,
    }  # fmt: skip
    assert value_of(found, "kl") is None


@pytest.mark.parametrize("number", [mean(0.0, 0), mean(math.nan), largest(-math.inf), total(math.inf)])
def test_what_has_no_value_is_left_out(number: Number) -> None:
    """Over nothing, or not finite: alone, and of several parts."""
    assert number.value is None
    assert values_of({"n": number}) == {}
    known = Number(number.kind, 2.0, 1.0)
    assert merged([{"n": number}, {"n": known}, {"n": number}]) == {"n": known}


def test_a_negative_maximum_is_one() -> None:
    """The larger of two, whatever their order."""
    for parts in ((-3.0, -2.0), (-2.0, -3.0)):
        assert merged([{"n": largest(part)} for part in parts]) == {"n": largest(-2.0)}


def test_a_checkpoint_gives_back_what_it_was_given() -> None:
    """To the bit, in plain types."""
    numbers = {"a": mean(1 / 3, 7), "b": total(2), "c": largest(-0.1)}
    state = numbers_to_state(numbers)
    assert state["a"] == ["mean", 1 / 3, 7]
    assert numbers_from_state(state) == numbers
    with pytest.raises(ValueError, match="median"):
        numbers_from_state({"a": ["median", 1.0, 1.0]})
    assert [str(kind) for kind in Kind] == ["mean", "sum", "max"]

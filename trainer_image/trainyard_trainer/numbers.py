"""Holds measured numbers as sums, counts and maxima, so that parts can be put together: never a mean of means.

Place in the data's way: stations 5 to 8, on the way to stations 9, 10 and 11. Pure. A number is declared once, where it
is measured; under its name it comes to rows, trackers, checkpoints and Prometheus.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias


class Kind(StrEnum):
    """Says how two parts of a number become one."""

    MEAN = "mean"
    SUM = "sum"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Number:
    """Holds one measured number.

    Attributes:
        kind: how it is merged.
        total: a mean's sum, a sum, or the largest value.
        count: what a mean is over; without meaning for other kinds.
    """

    kind: Kind
    total: float
    count: float = 1.0

    @property
    def value(self) -> float | None:
        """Gives the number itself; None where it is over nothing, or not finite."""
        if self.kind is not Kind.MEAN:
            return self.total if math.isfinite(self.total) else None
        return self.total / self.count if self.count and math.isfinite(self.total) else None


Numbers: TypeAlias = Mapping[str, Number]
"""Measured numbers by name; one that doesn't exist is absent."""


def mean(total: float, count: float = 1.0) -> Number:
    """Makes a number whose parts are averaged, each by its count."""
    return Number(Kind.MEAN, float(total), float(count))


def total(value: float) -> Number:
    """Makes a number whose parts are added."""
    return Number(Kind.SUM, float(value))


def largest(value: float) -> Number:
    """Makes a number of which the largest part counts."""
    return Number(Kind.MAX, float(value))


def merged(parts: Iterable[Numbers]) -> dict[str, Number]:
    """Puts parts together; a number without a value in a part isn't counted there."""
    found: dict[str, Number] = {}
    for part in parts:
        for name, number in part.items():
            if number.value is not None:
                found[name] = _merged(found[name], number) if name in found else number
    return found


def value_of(numbers: Numbers, name: str) -> float | None:
    """Finds a number's value by its name; None where there is none."""
    return numbers[name].value if name in numbers else None


def values_of(numbers: Numbers) -> dict[str, float]:
    """Lists all numbers that have a value."""
    values = {name: number.value for name, number in numbers.items()}
    return {name: value for name, value in values.items() if value is not None}


def numbers_to_state(numbers: Numbers) -> dict[str, Any]:
    """Gives the numbers in plain types, for a checkpoint."""
    return {name: [str(number.kind), number.total, number.count] for name, number in numbers.items()}


def numbers_from_state(state: Mapping[str, Any]) -> dict[str, Number]:
    """Reads the numbers of `numbers_to_state`.

    Raises:
        ValueError: the state is of another layout.
    """
    return {name: Number(Kind(kind), float(sum_), float(count)) for name, (kind, sum_, count) in state.items()}


def _merged(one: Number, other: Number) -> Number:
    if one.kind is Kind.MAX:
        return largest(max(one.total, other.total))
    return Number(one.kind, one.total + other.total, one.count + other.count)

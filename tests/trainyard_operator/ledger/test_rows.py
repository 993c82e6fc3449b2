"""Claims about rows that a pod has written, in which user code runs."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from trainyard_operator.ledger.rows import Claim, numbers_in, texts_in


@pytest.mark.parametrize("value", [None, 3, "x", [1], [["reward_mean", 1]], True])
def test_what_is_no_object_holds_nothing(value: Any) -> None:
    """A column of JSON may hold any."""
    assert numbers_in(value) == {}
    assert texts_in(value) == {}


def test_a_number_is_finite_and_has_a_plain_name() -> None:
    """Its name becomes a label of Prometheus."""
    odd = {"Upper": 1, "no word": 1, "": 1, "x" * 64: 1, "huge": 1e301, "text": "1", "nan": math.nan, "deep": {"a": 1}}
    assert numbers_in(odd | {"kl": 0.5, "step": 7}) == {"kl": 0.5, "step": 7.0}


def test_numbers_are_bounded() -> None:
    """The first 64 by name, so that the same ones are shown each time."""
    found = numbers_in({f"m{number:03}": number for number in range(100)})
    assert list(found) == [f"m{number:03}" for number in range(64)]


def test_texts_are_kept_as_they_are() -> None:
    """Whoever shows one judges it; other values are dropped."""
    assert texts_in({"reward_mean": "0.5", "n": 3, "deep": {"x": "y"}}) == {"reward_mean": "0.5"}


def test_a_claim_names_its_object() -> None:
    """One taken between two updates of a step has another name than the step's own."""
    claim = Claim("s3://b/x/", "uid-12345", 2, 7, "d", 5, {}, datetime(2026, 1, 1, tzinfo=UTC))
    assert claim.object_name("sums", "uid-12345") == "sums-uid-1-2-7"
    between = Claim("s3://b/y/", "uid-12345", 2, 7, "d", 5, {}, datetime(2026, 1, 1, tzinfo=UTC), updates=3)
    assert between.object_name("sums", "uid-12345") == "sums-uid-1-2-7u3"

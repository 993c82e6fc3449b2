"""Claims about numbers as decimal strings."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard_api.decimals import dollars, dollars_up, measured, size_text

amounts = st.decimals(min_value=0, max_value=10**8, allow_nan=False, allow_infinity=False, places=12)


@given(amounts)
def test_shown_cost_is_never_less_than_booked(amount: Decimal) -> None:
    """Rounding up to four places never shows less, and never a hundredth of a cent more."""
    assert amount <= Decimal(dollars_up(amount)) < amount + Decimal("0.0001")


@given(amounts)
def test_booked_cost_is_nearest(amount: Decimal) -> None:
    """Booked dollars differ by at most half a millionth and match the API's pattern."""
    assert abs(Decimal(dollars(amount)) - amount) <= Decimal("0.0000005")
    assert re.fullmatch(r"[0-9]{1,9}\.[0-9]{6}", dollars(amount))


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(0, 6))
def test_measured_is_a_plain_decimal_or_nothing(value: float, places: int) -> None:
    """No exponent, no minus zero, no longer than the API allows, and nothing for what isn't finite or too long."""
    text = measured(value, places=places)
    if text is not None:
        assert re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text)
        assert len(text) <= 32
        assert not re.fullmatch(r"-0(\.0*)?", text)
        assert abs(float(text) - value) <= 0.5 * 10**-places + abs(value) * 1e-12
    else:
        assert not abs(value) < 10.0 ** (30 - places)  # so written, it holds of NaN too


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, "0"), (1023, "1023"), (1024, "1.0Ki"), (627_000, "612Ki"), (3 * 2**20, "3.0Mi"), (2**44, "16Ti")],
)
def test_size_is_short(size: int, expected: str) -> None:
    """Sizes have two or three significant digits and a binary unit."""
    assert size_text(size) == expected


@given(st.integers(0, 2**53))
def test_size_fits_the_column(size: int) -> None:
    """Every size fits the bound and pattern of Checkpoint.status.size."""
    assert re.fullmatch(r"[0-9]+(\.[0-9])?(Ki|Mi|Gi|Ti)?", size_text(size))
    assert len(size_text(size)) <= 16

"""Claims about Kubernetes quantities."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trainyard_api.quantities import parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("500m", "0.5"),
        ("1.5", "1.5"),
        ("2k", 2000),
        ("2Gi", 2**31),
        ("1Ki", 1024),
        ("3T", 3 * 10**12),
        ("500u", "0.0005"),
        ("2n", "0.000000002"),
        ("1E", 10**18),
        ("2Ei", 2**61),
        ("1e3", 1000),
        ("15E-1", "1.5"),
        (".5", "0.5"),
        ("1.", 1),
    ],
)
def test_a_quantity_is_an_exact_number(text: str, value: object) -> None:
    """Every form that the API server takes: a pod that can't be priced would run for nothing. No float in between."""
    assert parse_quantity(text) == Decimal(str(value))


@pytest.mark.parametrize("text", ["", "-1", ".", "1e", "1e3k", "Gi", "1 Gi", "1gi", "1K"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """The error shows the text."""
    with pytest.raises(ValueError, match="quantity: "):
        parse_quantity(text)

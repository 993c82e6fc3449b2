"""Numbers as the decimal strings that the API shows.

Place in the data's way: stations 11 and 12. The API server can't round for a column, so rounding happens here, once.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal

MEASURED_LENGTH = 32
"""Most characters of a measured number; one that is longer would have the whole status refused."""


def dollars(amount: Decimal, *, places: int = 6) -> str:
    """Writes dollars with exactly `places` decimals; a tie goes to the even digit."""
    return str(amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN))


def dollars_up(amount: Decimal, *, places: int = 4) -> str:
    """Writes dollars rounded up, so that a cost that is shown is never less than the cost that is booked."""
    return str(amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_UP))


def measured(value: float, *, places: int) -> str | None:
    """Writes a measured number with `places` decimals; None for one that isn't finite or has over 32 characters."""
    text = f"{value:.{places}f}"
    if not math.isfinite(value) or len(text) > MEASURED_LENGTH:
        return None
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def size_text(size_bytes: int) -> str:
    """Writes a number of bytes as a column shows it: `612Ki`, `1.4Gi`."""
    value = float(size_bytes)
    for unit in ("", "Ki", "Mi", "Gi"):
        if value < 1024:
            return f"{value:.0f}{unit}" if value >= 10 or not unit else f"{value:.1f}{unit}"
        value /= 1024
    return f"{value:.0f}Ti" if value >= 10 else f"{value:.1f}Ti"

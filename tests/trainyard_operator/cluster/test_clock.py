"""Claims about points in time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from trainyard_operator.cluster.clock import format_time, parse_time


def test_a_time_survives_being_written() -> None:
    """RFC 3339 in UTC with whole seconds, both ways; other offsets and fractions are understood."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert format_time(moment) == "2026-01-02T03:04:05Z"
    assert parse_time("2026-01-02T03:04:05Z") == moment
    assert parse_time("2026-01-02T04:04:05+01:00") == moment
    assert parse_time("2026-01-02T03:04:05.000000Z") == moment


def test_what_is_no_time_is_refused() -> None:
    """A ValueError, not a guess."""
    with pytest.raises(ValueError, match="isoformat"):
        parse_time("soon")

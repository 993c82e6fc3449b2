"""Claims about points in time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from trainyard_operator.cluster.clock import Clock, format_time, parse_time


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


class Hands:
    """The hands of a wall clock, and of one that only goes on."""

    def __init__(self) -> None:
        self.wall, self.elapsed = 1_000_000.75, 50.0

    def clock(self) -> Clock:
        """A clock that reads them."""
        return Clock(lambda: self.wall, lambda: self.elapsed)


def test_a_clock_that_is_set_changes_no_bill() -> None:
    """An hour ahead and back: what passes is what has truly passed."""
    hands = Hands()
    clock = hands.clock()
    for jump in (3600, -7200, 0):
        hands.wall += jump
        told = clock.now()
        assert told.timestamp() == 1_000_000
    hands.elapsed += 10.5
    told = clock.now()
    assert told.timestamp() == 1_000_011


def test_a_clock_tells_whole_seconds_and_starts_at_the_machines_time() -> None:
    """As the API keeps them; a later process reads the wall again."""
    hands = Hands()
    first = hands.clock().now()
    hands.wall += 3600
    second = hands.clock().now()
    assert (first.timestamp(), second.timestamp()) == (1_000_000, 1_003_600)
    real = Clock().now()
    assert (real.microsecond, real.tzinfo) == (0, UTC)


def test_a_clock_takes_the_servers_time_at_once_and_then_follows_slowly() -> None:
    """A machine that booted in the wrong zone bills right; a server that jumps an hour moves it by seconds."""
    hands = Hands()
    clock = hands.clock()
    clock.heard(1_003_600.0)
    first = clock.now()
    assert first.timestamp() == 1_003_601  # never behind the second that the server has named
    hands.elapsed += 100
    clock.heard(1_003_700.0 + 3600)
    jumped = clock.now()
    assert jumped.timestamp() == 1_003_706
    hands.elapsed += 100
    clock.heard(1_003_800.0 - 3600)
    back = clock.now()
    assert back.timestamp() == 1_003_801
    clock.heard(1_003_801.5)
    near = clock.now()
    assert near.timestamp() == 1_003_801


def test_a_clock_that_is_right_is_left_alone() -> None:
    """An answer names whole seconds: to follow it would put this clock behind, and a pod's end off its bill."""
    hands = Hands()
    clock = hands.clock()
    for server in (999_999.0, 1_000_000.0, 1_000_001.0):
        clock.heard(server)
        told = clock.now()
        assert told.timestamp() == 1_000_000

"""A clock for what compares with one: it goes when a test or a sleep says so, never by itself."""

from __future__ import annotations


class Clock:
    """What a module needs of `time`."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, []

    def monotonic(self) -> float:
        """As time.monotonic."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """As time.sleep."""
        self.now += seconds
        self.slept.append(seconds)

"""Where the time of a step goes.

Place in the data's way: stations 5 to 8, on the way to the metrics. Wall time, in seconds; nothing depends on it.
"""

from __future__ import annotations

from time import perf_counter


class Stopwatch:
    """Measures laps, each the time since the one before, from when it is made."""

    def __init__(self) -> None:
        self._began = self._lap = perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, part: str) -> None:
        """Counts the time since the lap before as this part."""
        now = perf_counter()
        self._laps[part], self._lap = now - self._lap, now

    def seconds(self) -> dict[str, float]:
        """Returns the seconds of each part, and of the whole as `step`."""
        return {**self._laps, "step": perf_counter() - self._began}

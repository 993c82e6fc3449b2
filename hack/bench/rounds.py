"""Measurements in rounds: every engine once in each, one after the other, so that a slow minute hits all of them.

What is compared is compared within a round; what is shown is the median over rounds.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rounds:
    """Seconds of each engine, by round."""

    seconds: Mapping[str, Sequence[float]]

    def median(self, engine: str) -> float:
        """Returns the median of its seconds."""
        return statistics.median(self.seconds[engine])

    def spread(self, engine: str) -> str:
        """Writes its seconds for a table: median, least and most."""
        seconds = self.seconds[engine]
        return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"

    def speedup(self, engine: str, base: str) -> float:
        """Returns how many times faster than `base` it is; the median over rounds."""
        pairs = zip(self.seconds[base], self.seconds[engine], strict=True)
        return statistics.median(slower / faster for slower, faster in pairs)

    def share(self, engine: str, base: str, without: str) -> float | None:
        """Returns the share of what `engine` saves over `base` that is lost with `without`.

        The median over rounds of (without - engine) / (base - engine); None where it saves nothing.
        """
        found = [
            (less - own) / (slow - own)
            for slow, own, less in zip(self.seconds[base], self.seconds[engine], self.seconds[without], strict=True)
            if slow > own
        ]
        return statistics.median(found) if found else None


CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
"""What seconds are counted by. `cpu` counts those in which the process's threads ran: with one thread, what the wall
clock would show on a machine that has nothing else to do.
"""


def alternated(runs: Mapping[str, Callable[[], object]], repeats: int, clock: str) -> Rounds:
    """Times each of `runs` once in each of `repeats` rounds, after one round that isn't timed."""
    now = CLOCKS[clock]
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            started = now()
            run()
            seconds[name].append(now() - started)
            log.info("%s: %.2f s", name, seconds[name][-1])
    return Rounds(seconds)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Writes a table's lines; the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cells[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)),
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [line(header), line(rule), *(line(row) for row in rows)]

"""Points in time as the API writes them.

Place in the data's way: stations 11 and 12. Seconds are all that Kubernetes keeps, so that is all we compute with.
Only `Clock` reads one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """The operator's time: the machine's when the process began, and what has truly passed since.

    A wall clock may be set an hour ahead and back; a bill that followed it would never come down again.
    """

    def __init__(self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] | None = None) -> None:
        # Goes on while a machine sleeps, and is never set.
        self._elapsed = elapsed or (lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
        self._began = wall() - self._elapsed()

    def now(self) -> datetime:
        """Tells the time, in whole seconds; never less than before."""
        return datetime.fromtimestamp(self._began + self._elapsed(), UTC).replace(microsecond=0)


def parse_time(text: str) -> datetime:
    """Reads a point in time from RFC 3339.

    Raises:
        ValueError: it is no such text.
    """
    return datetime.fromisoformat(text).astimezone(UTC)


def format_time(moment: datetime) -> str:
    """Writes a point in time as RFC 3339, in UTC and whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

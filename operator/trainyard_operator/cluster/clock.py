"""Points in time as the API writes them.

Place in the data's way: stations 11 and 12. Seconds are all that Kubernetes keeps, so that is all we compute with.
Only `Clock` reads one.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

_TOLERANCE_SECONDS: Final = 2.0
"""What an answer's way and its whole seconds make of a difference."""
_SLEW: Final = 0.05
"""Most seconds by which the clock follows the server in a second; less than one, so that it never goes back."""


class Clock:
    """The operator's time: the API server's, carried on by what has truly passed.

    A wall clock may be set an hour ahead and back; a bill that followed it would never come down again. So where this
    machine's is wrong, the first word of the server counts at once, and what it says later is followed slowly.
    """

    def __init__(self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] | None = None) -> None:
        # Goes on while a machine sleeps, and is never set.
        self._elapsed = elapsed or (lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
        self._offset = wall() - self._elapsed()
        self._heard_at: float | None = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Tells the time, in whole seconds."""
        return datetime.fromtimestamp(self._offset + self._elapsed(), UTC).replace(microsecond=0)

    def heard(self, server: float) -> None:
        """Takes the server's time, in seconds since the epoch, as an answer has just told it."""
        with self._lock:
            elapsed = self._elapsed()
            # It names the second that has begun: behind its clock, the end of a pod would be cut off a bill.
            behind = server + 1.0 - (self._offset + elapsed)
            if abs(behind) > _TOLERANCE_SECONDS:
                most = math.inf if self._heard_at is None else _SLEW * (elapsed - self._heard_at)
                self._offset += min(max(behind, -most), most)
            self._heard_at = elapsed


def parse_time(text: str) -> datetime:
    """Reads a point in time from RFC 3339.

    Raises:
        ValueError: it is no such text.
    """
    return datetime.fromisoformat(text).astimezone(UTC)


def format_time(moment: datetime) -> str:
    """Writes a point in time as RFC 3339, in UTC and whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""What the test cluster says to the person who waits for it: one line per step, with the seconds since the start.

Also the one error type that ends a command with a line instead of a traceback.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_START = time.monotonic()


class ClusterError(Exception):
    """What is wrong with the machine or the cluster and what to do about it, in one line."""


def say(text: str) -> None:
    """Prints one line with the seconds since the command began."""
    print(f"[{time.monotonic() - _START:6.1f} s] {text}", flush=True)


def wait_until(condition: Callable[[], bool], what: str, seconds: float, *, hint: str = "") -> None:
    """Returns as soon as the condition holds.

    Raises:
        ClusterError: it did not hold within the seconds; names what was waited for and the hint.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not so after {seconds:.0f} s{'; ' + hint if hint else ''}")
        time.sleep(0.05)

"""Waiting for what must come, and the one guard against what never does.

A busy machine makes everything slow and nothing wrong, so no test compares with a clock: what must come before what is
an order of events, and each wait ends when its event comes. Only a hang reaches the guard.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

GUARD_SECONDS = 600.0
"""Longest wait of a test for anything, and the limit of every call that has one: far beyond the busiest machine."""
WITHIN_GUARD = f"--timeout={GUARD_SECONDS:.0f}s"
"""The guard as an option of kubectl and helm."""


def until(look: Callable[[], T], otherwise: str | Callable[[], str], *, pause: float = 0.1, guards: int = 1) -> T:
    """The first true value that `look` gives; fails with `otherwise` if none comes within so many guards."""
    end = time.monotonic() + guards * GUARD_SECONDS
    while not (seen := look()):
        assert time.monotonic() < end, otherwise if isinstance(otherwise, str) else otherwise()
        time.sleep(pause)
    return seen

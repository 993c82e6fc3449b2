"""Waiting for what a server does a moment later."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(holds: Callable[[], bool], otherwise: str, *, seconds: float = 30) -> None:
    """Return as soon as it holds; fail with `otherwise` if it doesn't within the time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, otherwise
        time.sleep(0.1)

"""One command at a time: two that would do the same work, or undo each other's, wait for each other."""

from __future__ import annotations

import contextlib
import fcntl
from typing import TYPE_CHECKING

from hack.cluster import layout
from hack.cluster.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Holds the lock of that name, across processes; the kernel frees it when its holder dies.

    Args:
        name: `build`, `cluster` or `images`; whoever holds one of the last two may take `build`, and nothing else.
    """
    path = layout.cache() / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another command holds the {name} lock; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield

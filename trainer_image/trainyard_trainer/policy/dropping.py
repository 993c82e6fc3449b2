"""Decides whether passes that a stop meets are finished or dropped: whichever is shorter, and in time for a save.

Place in the data's way: station 8, between two passes. Nothing is decided before a stop was asked for.
"""

from __future__ import annotations

import math
import time
from typing import Final

import torch

from trainyard_trainer.errors import DroppedError
from trainyard_trainer.stop import Stop

SAVING_SHARE: Final = 0.5
"""Share of the grace that is kept for saving, which must fit twice into it."""
FIRST_GUESS_SECONDS: Final = 1.0
"""What passes are taken to need before the first of them has told."""


def drops(cost_seconds: float, left_seconds: float, affordable_seconds: float) -> bool:
    """Says whether to drop what was begun: to do it again costs less than to finish it, or finishing takes too long.

    Args:
        cost_seconds: what dropping costs, for it is done again.
        left_seconds: what finishing costs.
        affordable_seconds: most that finishing may take.
    """
    return left_seconds > min(cost_seconds, affordable_seconds)


class Passing:
    """Follows the passes over some rows, and ends them where a stop drops them.

    Args:
        stop: asked before each pass.
        device: does the passes.
        lost_seconds: what dropping costs besides these passes.
    """

    def __init__(self, stop: Stop, device: torch.device, lost_seconds: float = 0.0) -> None:
        self._stop, self._device, self._lost = stop, device, lost_seconds
        self._began = self._try = time.monotonic()

    def begin_again(self) -> None:
        """Notes that the passes begin again; what the earlier ones took is lost with them."""
        self._try = time.monotonic()

    def heed(self, done: int, left: int) -> None:
        """Goes on, or ends the passes; called between two of them.

        Args:
            done: tokens of the passes done, padding included.
            left: tokens of those to come.

        Raises:
            DroppedError: a stop was asked for, and the passes are dropped; with their seconds if nothing else is lost.
        """
        if not self._stop.requested():
            return
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)  # a pass is only queued when its call returns
        now, grace = time.monotonic(), self._stop.grace_seconds
        left_seconds = (now - self._try) / done * left if done else FIRST_GUESS_SECONDS
        affordable = self._stop.seconds_left() - SAVING_SHARE * grace if math.isfinite(grace) else math.inf
        if drops(self._lost + now - self._began, left_seconds, affordable):
            raise DroppedError(None if self._lost else now - self._began)

"""What was found in a run's data and failed in its rewards, on a terminal, where a pod has its log.

Place in the data's way: station 11, where there is no `kubectl logs`. Shows lines; decides nothing.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

_SHOWN = ("trainyard_trainer.training.check_data", "trainyard_trainer.rewards")
"""Rooms whose lines are for whoever runs a job: the data report, and rewards and environments that failed."""


class _Lines(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Shows one line, without time and level."""
        self._say(record.getMessage())


@contextlib.contextmanager
def findings_shown(say: Callable[[str], None]) -> Iterator[None]:
    """Shows what is logged inside the block about a run's data and about failures in scoring."""
    loggers, handler = [logging.getLogger(name) for name in _SHOWN], _Lines(say)
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)

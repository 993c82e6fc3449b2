"""Data reports on a terminal, where a pod has its log.

Place in the data's way: station 11, where there is no `kubectl logs`. Shows lines; decides nothing.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

_DATA = "trainyard_trainer.data"


class _Lines(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """One line, without time and level."""
        self._say(record.getMessage())


@contextlib.contextmanager
def data_reports_shown(say: Callable[[str], None]) -> Iterator[None]:
    """Within, each line that is logged of a run's data is said."""
    logger, handler = logging.getLogger(_DATA), _Lines(say)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)

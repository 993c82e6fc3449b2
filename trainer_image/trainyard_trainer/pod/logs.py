"""What `kubectl logs` shows: one line per event, without secrets.

Place in the data's way: station 4, beside the loop. Every line passes a formatter that hides what the pod was given
as a secret, tracebacks included.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable

from trainyard_trainer.pod.ending import redact


class HidingFormatter(logging.Formatter):
    """Formats lines as `2026-01-31T12:00:00Z INFO ledger: ...`, in UTC, without secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)sZ %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Formats the line, and a traceback, with secrets hidden."""
        return redact(super().format(record), self._secrets)


def configure(secrets: Iterable[str]) -> None:
    """Sends the product's lines, and other libraries' warnings, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(HidingFormatter(secrets))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("trainyard_trainer").setLevel(logging.INFO)

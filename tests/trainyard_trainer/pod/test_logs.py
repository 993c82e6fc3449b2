"""Log lines hold no secret, not even in a traceback."""

from __future__ import annotations

import logging
import sys

from trainyard_trainer.pod.logs import HidingFormatter


def record(message: str, *, traceback: bool = False) -> logging.LogRecord:
    """A warning of this module."""
    info = sys.exc_info() if traceback else None
    return logging.LogRecord("trainyard_trainer.x", logging.WARNING, __file__, 1, message, None, info)


def test_secrets_are_hidden() -> None:
    """In the message and in the traceback of what a library raised."""
    formatter = HidingFormatter(["s3cr3t"])
    assert "s3cr3t" not in formatter.format(record("login s3cr3t refused"))
    try:
        int("s3cr3t")
    except ValueError:
        line = formatter.format(record("crashed", traceback=True))
    assert "invalid literal for int() with base 10: '[hidden]'" in line
    assert "s3cr3t" not in line


def test_times_are_utc() -> None:
    """Pods have no time zone worth knowing."""
    given = record("event")
    given.created = 1_700_000_000.0
    assert HidingFormatter([]).format(given).startswith("2023-11-14T22:13:20Z WARNING trainyard_trainer.x: event")

"""Rewards that hang, and a clock that is beyond any limit while one does: nothing else is late on a busy machine."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import pytest

from trainyard_trainer.rewards import worker_connection, worker_process

HANG = """
import os, pathlib, time

HANGS = pathlib.Path(__file__).with_name("hangs")


def hang():
    HANGS.write_text(str(os.getpid()))
    time.sleep(3600)
"""
"""Beginning of a user's module, whose rewards call `hang`."""


class Clock:
    """The trainer's clock for what its process is at: beyond any limit while a reward hangs, else at the start."""

    def __init__(self, hangs: Path | None = None) -> None:
        self._hangs = hangs

    def monotonic(self) -> float:
        """As time.monotonic."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            if self._hangs and runs(int(self._hangs.read_text())):
                return math.inf
        return 0.0


def only_hanging_takes_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the clock into the places of the real ones, for a module in this folder."""
    monkeypatch.setattr(worker_process, "time", Clock())
    monkeypatch.setattr(worker_connection, "time", Clock(folder / "hangs"))


def runs(pid: int) -> bool:
    """Whether a process is there and isn't a zombie whose parent hasn't looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

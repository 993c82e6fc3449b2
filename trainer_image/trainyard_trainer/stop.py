"""The request to stop, as the kubelet and a terminal make it: a signal.

Place in the data's way: from station 3 to the loop, which saves a checkpoint and ends. A second signal ends the process
at once, without a checkpoint.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Protocol


class StopRequest(Protocol):
    """Says whether somebody asked the run to stop."""

    def requested(self) -> bool:
        """Returns True once a stop was asked for, and from then on."""


class SignalStop:
    """Asks for a stop at SIGTERM or SIGINT; see `StopRequest`."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def install(self) -> None:
        """Installs the signal handlers; only the main thread may call this."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def requested(self) -> bool:
        """Returns True once a signal came."""
        return self._asked.is_set()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (the signature of a handler)
        name = signal.Signals(number).name
        # Raw writes: a handler may interrupt a log call that holds the stream.
        if self._asked.is_set():
            os.write(2, f"stop: second {name}, ending at once\n".encode())
            os._exit(128 + number)
        self._asked.set()
        os.write(2, f"stop: {name}, saving a checkpoint; a second signal ends at once\n".encode())

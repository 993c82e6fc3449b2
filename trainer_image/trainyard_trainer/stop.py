"""The request to stop, as the kubelet and a terminal make it: a signal, heeded even by what doesn't come back.

Place in the data's way: from station 3 to the loop, which saves a checkpoint and ends. A second signal ends the process
at once, without a checkpoint. Who may hang, in a server's or a user's code, is bounded: another thread ends the run.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import FrameType
from typing import NoReturn, Protocol

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_WAKE = b"\0"


class StopRequest(Protocol):
    """Says whether somebody asked the run to stop."""

    def requested(self) -> bool:
        """Returns True once a stop was asked for, and from then on."""


class Stop(StopRequest, Protocol):
    """Says also how long a stopped process has left, and has a stop heeded by what may hang.

    Attributes:
        grace_seconds: from the request to the end of the process by force; infinite where nobody uses force.
    """

    grace_seconds: float

    def seconds_left(self) -> float:
        """Returns the seconds until the end by force; infinite before a stop was asked for."""

    def watch(self, last_word: Callable[[BaseException], NoReturn]) -> None:
        """Has `heeded_within` work from now on; the main thread calls this once.

        Args:
            last_word: is given, in another thread, what ended the run; it ends the process.
        """

    def heeded_within(self, seconds: float, end: Callable[[], NoReturn]) -> AbstractContextManager[None]:
        """Ends the run where a block isn't left within so many seconds of a stop.

        `end` is called in another thread, and what it raises is the run's end. From then on the block isn't left any
        more: nothing behind it happens. Blocks may stand within each other; each has its own time.
        """


class NeverStopped:
    """Never asks for a stop; see `Stop`."""

    grace_seconds = math.inf

    def requested(self) -> bool:
        """Returns False."""
        return False

    def seconds_left(self) -> float:
        """Returns infinity."""
        return math.inf

    def watch(self, last_word: Callable[[BaseException], NoReturn]) -> None:
        """Does nothing."""

    def heeded_within(self, seconds: float, end: Callable[[], NoReturn]) -> AbstractContextManager[None]:  # noqa: ARG002
        """Bounds nothing."""
        return contextlib.nullcontext()


class SignalStop:
    """Asks for a stop at SIGTERM or SIGINT; see `Stop`. Without `watch`, no block is bounded."""

    def __init__(self) -> None:
        self.grace_seconds = math.inf
        self._asked_at: float | None = None
        self._handled = 0
        self._blocks: list[_Block] = []
        self._lock = threading.Lock()
        self._last = threading.Lock()
        self._last_word: Callable[[BaseException], NoReturn] | None = None
        self._wakes, self._wake = -1, -1

    def install(self) -> None:
        """Installs the signal handlers; only the main thread may call this."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        # A child that is forked, not started anew, would neither end by such a signal nor keep it from its parent.
        os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=self._forget)

    def requested(self) -> bool:
        """Returns True once a signal came."""
        return self._asked_at is not None

    def seconds_left(self) -> float:
        """Returns the seconds until the kubelet kills the process; infinite before a signal came."""
        asked_at = self._asked_at
        return math.inf if asked_at is None else asked_at + self.grace_seconds - time.monotonic()

    def watch(self, last_word: Callable[[BaseException], NoReturn]) -> None:
        """Starts the thread that ends blocks; see `Stop.watch`."""
        self._last_word = last_word
        self._wakes, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        # Written by the signal itself: Python's handler waits for the main thread, which may hang in foreign code.
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="stop", daemon=True).start()

    @contextlib.contextmanager
    def heeded_within(self, seconds: float, end: Callable[[], NoReturn]) -> Iterator[None]:
        """Bounds the block; see `Stop.heeded_within`."""
        block = _Block(seconds, end, time.monotonic())
        with self._lock:
            self._blocks.append(block)
        if self.requested():
            self._call()
        try:
            yield
        finally:
            with self._lock:
                self._blocks.remove(block)
            if block.ended:
                threading.Event().wait()  # for the end of the process

    def _watch(self) -> None:
        """Waits for signals, and for blocks whose time is up."""
        signals = 0
        while True:
            due = self._due()
            if not select.select([self._wakes], [], [], None if due is None else max(0.0, due - time.monotonic()))[0]:
                self._end_due()
                continue
            signals += sum(byte in _SIGNALS for byte in os.read(self._wakes, 4096))
            if signals and self._asked_at is None:
                self._asked_at = time.monotonic()
            if signals > 1:
                os._exit(128 + signal.SIGTERM)

    def _due(self) -> float | None:
        """Returns when the next block's time is up; None while nobody waits."""
        asked_at = self._asked_at
        if asked_at is None:
            return None
        with self._lock:
            times = [max(asked_at, block.began) + block.seconds for block in self._blocks if not block.ended]
        return min((at for at in times if math.isfinite(at)), default=None)

    def _end_due(self) -> None:
        asked_at, now = self._asked_at or 0.0, time.monotonic()
        with self._lock:
            for block in self._blocks:
                if not block.ended and max(asked_at, block.began) + block.seconds <= now:
                    block.ended = True
                    # A thread of its own: what saves the state may hang too, and an outer block's time runs on.
                    threading.Thread(target=self._end, args=[block.end], name="end", daemon=True).start()

    def _end(self, end: Callable[[], NoReturn]) -> None:
        try:
            end()
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is how the run ends)
            if self._last_word is not None and self._last.acquire(blocking=False):
                self._last_word(error)

    def _call(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._wake, _WAKE)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (the signature of a handler)
        name = signal.Signals(number).name
        # Raw writes: a handler may interrupt a log call that holds the stream.
        self._handled += 1
        if self._handled > 1:
            os.write(2, f"stop: second {name}, ending at once\n".encode())
            os._exit(128 + number)
        if self._asked_at is None:
            self._asked_at = time.monotonic()
        self._call()
        os.write(2, f"stop: {name}, saving a checkpoint; a second signal ends at once\n".encode())

    def _forget(self) -> None:
        """Lets a forked child end by these signals, as it would have without us."""
        if self._wake >= 0:
            signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, signal.SIG_DFL)
        _let_go()


def _hold() -> None:
    """Has these signals wait while a process forks."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def _let_go() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


class _Block:
    """Holds a block that is bounded: for how long, what ends it, when it began, and whether it was ended."""

    def __init__(self, seconds: float, end: Callable[[], NoReturn], began: float) -> None:
        self.seconds, self.end, self.began, self.ended = seconds, end, began, False


def leave(code: int) -> NoReturn:
    """Ends the process at once, without waiting for threads.

    Python would wait for every thread that a user's module or a tracker's library has left behind, for ever perhaps,
    and a pod is paid for as long as its process lives. All that a run keeps is kept by now.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody reads any more
            stream.flush()
    os._exit(code)

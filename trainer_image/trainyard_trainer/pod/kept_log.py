"""The end of what a pod writes to stdout and stderr, put beside the run's checkpoints: it outlives the pod.

Place in the data's way: station 4, beside the loop, and station 9. A thread of its own writes it, after each commit, at
the end, and now and then between, so that a killed pod loses little; training never waits for it. No secret that the
pod was given is in it, whoever printed it. Of a line that is drawn again and again, as a progress bar is, it keeps the
last state. What other processes print, as a user's rewards do, isn't kept.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final, TextIO, cast

from trainyard_trainer.pod.ending import redact
from trainyard_trainer.storage.storage import Storage

_log = logging.getLogger(__name__)

MAX_BYTES: Final = 2**20
"""Longest log that is kept; of more, the newest."""
EVERY_SECONDS: Final = 30.0
"""How often it is written between commits, where there is anything new."""


class KeptLog:
    """Keeps what is written to the streams that it stands in for.

    Args:
        secrets: what it must not contain.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secrets)
        self._lock = threading.Lock()
        self._text = bytearray()
        self._lines = [_Line(), _Line()]
        self._written: bytes | None = None
        self._due = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Keeps what is written to `sys.stdout` and `sys.stderr` inside the block; it is still shown."""
        real = sys.stdout, sys.stderr
        kept = (_Tee(stream, partial(self.keep, stream=number)) for number, stream in enumerate(real))
        sys.stdout, sys.stderr = (cast("TextIO", tee) for tee in kept)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = real

    def keep(self, text: str, stream: int = 0) -> None:
        """Appends a text; the oldest goes where there is too much.

        Args:
            text: what was written.
            stream: 0 or 1: the lines of two streams don't mix.
        """
        with self._lock:
            line = self._lines[stream]
            self._text += line.add(text.encode(errors="backslashreplace"))
            for held in (self._text, line.text):
                if len(held) > 2 * MAX_BYTES:
                    held[:] = self._newest(bytes(held))

    def held_bytes(self) -> int:
        """Returns how much memory it takes."""
        with self._lock:
            return len(self._text) + sum(len(line.text) for line in self._lines)

    def content(self) -> bytes:
        """Returns the newest MAX_BYTES without secrets, from the beginning of a line on unless that is a long way."""
        with self._lock:
            kept = bytes(self._text) + b"\n".join(bytes(line.text) for line in self._lines if line.text)
        return self._newest(kept)

    def _newest(self, text: bytes) -> bytes:
        """Cuts a text after its secrets are hidden: nobody would know a part of one."""
        shown = redact(text.decode(errors="replace"), self._secrets).encode()
        if len(shown) <= MAX_BYTES:
            return shown
        newest = shown[-MAX_BYTES:]
        from_a_line = newest.partition(b"\n")[2]
        return from_a_line if 2 * len(from_a_line) >= MAX_BYTES else newest.decode(errors="ignore").encode()

    def place(self, storage: Storage, key: str) -> None:
        """Says where it goes; it is written there from now on."""
        self._thread = threading.Thread(target=self._write_on, args=[storage, key], name="log", daemon=True)
        self._due.set()
        self._thread.start()

    def write_soon(self) -> None:
        """Has it written, without waiting for that."""
        self._due.set()

    def close(self, seconds: float) -> None:
        """Writes it for the last time, and waits for that at most so long."""
        if self._thread is not None:
            self._closing = True
            self._due.set()
            self._thread.join(seconds)

    def _write_on(self, storage: Storage, key: str) -> None:
        works, closing = True, False
        while not closing:
            self._due.wait(EVERY_SECONDS)
            self._due.clear()
            closing = self._closing
            try:
                self._write(storage, key)
                works = True
            except Exception as error:  # noqa: BLE001 (whatever the storage raises, it is only the log)
                if works:
                    _log.warning("log: not written to %s (%s)", storage.uri(key), type(error).__name__)
                works = False

    def _write(self, storage: Storage, key: str) -> None:
        content = self.content()
        if content != self._written:
            storage.put(key, content)
            self._written = content


class _Line:
    """Holds the line of a stream that isn't ended, as a terminal shows it: what follows a return takes its place."""

    def __init__(self) -> None:
        self.text = bytearray()
        self._returned = False

    def add(self, written: bytes) -> bytes:
        """Takes what was written, and gives the lines that are ended by it."""
        ended = bytearray()
        *whole, rest = written.split(b"\n")
        for text in whole:
            self._draw(text)
            ended += self.text + b"\n"
            self.text.clear()
            self._returned = False
        self._draw(rest)
        return bytes(ended)

    def _draw(self, written: bytes) -> None:
        for number, text in enumerate(written.split(b"\r")):
            self._returned = self._returned or number > 0
            if text and self._returned:
                self.text.clear()
                self._returned = False
            self.text += text


class _Tee:
    """Stands in for a stream: what is written to it is kept, too."""

    def __init__(self, real: TextIO, keep: Any) -> None:
        self._real = real
        self._keep = keep

    def write(self, text: str) -> int:
        self._keep(text)
        return self._real.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

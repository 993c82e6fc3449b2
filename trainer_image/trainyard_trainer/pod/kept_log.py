"""The end of what a pod writes to stdout and stderr, put beside the run's checkpoints: it outlives the pod.

Place in the data's way: station 4, beside the loop, and station 9. A thread of its own writes it, after each commit, at
the end, and now and then between, so that a killed pod loses little; training never waits for it. No secret that the
pod was given is in it, whoever printed it. What other processes print, as a user's rewards do, isn't kept.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Final, TextIO, cast

from trainyard_trainer.pod.ending import redact
from trainyard_trainer.storage.storage import Storage

_log = logging.getLogger(__name__)

MAX_BYTES: Final = 2**20
"""Longest log that is kept; of more, the newest."""
_MARGIN_BYTES: Final = 2**16
"""Kept besides: it may begin with a part of a secret, which nobody would know for one."""
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
        self._is_cut = False
        self._written: bytes | None = None
        self._due = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Keeps what is written to `sys.stdout` and `sys.stderr` inside the block; it is still shown."""
        real = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = (cast("TextIO", _Tee(stream, self.keep)) for stream in real)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = real

    def keep(self, text: str) -> None:
        """Appends a text; the oldest goes where there is too much."""
        with self._lock:
            self._text += text.encode(errors="backslashreplace")
            if len(self._text) > 2 * (MAX_BYTES + _MARGIN_BYTES):
                del self._text[: -(MAX_BYTES + _MARGIN_BYTES)]
                self._is_cut = True

    def content(self) -> bytes:
        """Returns the newest MAX_BYTES, from the beginning of a line on, without secrets."""
        with self._lock:
            kept, is_cut = bytes(self._text), self._is_cut
        if is_cut:
            kept = kept.partition(b"\n")[2]
        shown = redact(kept.decode(errors="replace"), self._secrets).encode()
        return shown if len(shown) <= MAX_BYTES else shown[-MAX_BYTES:].partition(b"\n")[2]

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

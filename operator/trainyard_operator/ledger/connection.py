"""The operator's login to Postgres.

Place in the data's way: station 10. One connection, opened when needed and opened anew after a failure; the DSN is read
from its file each time, for it may be rotated. What is read and written say the room's other modules.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from trainyard_operator.ledger.errors import LedgerRefused, LedgerUnavailable, MigrationError

log = logging.getLogger(__name__)

T = TypeVar("T")

_OPTIONS: Final = "-c statement_timeout=10000 -c lock_timeout=5000 -c timezone=UTC"
_CONNECT_SECONDS: Final = 5
_RETRY_SECONDS: Final = 2.0
_SESSIONS_FAULT: Final = "25"
"""SQLSTATE class of transactions that are read-only or timed out: a new session may find another server or mode."""


class Ledger:
    """A connection that is opened anew after a failure; calls take turns."""

    def __init__(self, dsn_file: Path) -> None:
        self._dsn_file = dsn_file
        self._connection: psycopg.Connection | None = None
        self._lock = asyncio.Lock()
        self._retry_at = 0.0
        self._trouble: str | None = None
        self._refused: str | None = None

    async def run(self, work: Callable[[psycopg.Connection], T]) -> T:
        """Runs statements, which must bear being repeated: once more where the server went away before.

        Raises:
            LedgerUnavailable: Postgres can't be reached; for two seconds after that, at once.
            LedgerRefused: it answers, and refused one.
        """
        # One at a time: a connection is no pool, and statements here are short.
        async with self._lock:
            if self._connection is None and time.monotonic() < self._retry_at:
                raise LedgerUnavailable(self._trouble or "not connected")
            try:
                result = await asyncio.to_thread(self._attempt, work)
            except (psycopg.Error, MigrationError, OSError) as error:
                raise self._failed(error) from error
            if self._trouble is not None:
                log.info("ledger: Postgres answers again")
            self._trouble = None
            return result

    async def close(self) -> None:
        """Ends the connection."""
        async with self._lock:
            await asyncio.to_thread(self._drop)

    def _attempt(self, work: Callable[[psycopg.Connection], T]) -> T:
        fresh = self._connection is None
        try:
            return work(self._connected())
        except psycopg.Error as error:
            if (error.sqlstate or "").startswith(_SESSIONS_FAULT):
                self._drop()
            if _is_refusal(error) or not isinstance(error, psycopg.OperationalError):
                raise
            self._drop()
            if fresh:
                raise
        # The server went away since the last call and may be back: every statement here may be repeated.
        return work(self._connected())

    def _failed(self, error: Exception) -> LedgerUnavailable:
        lines = str(error).strip().splitlines()
        said = f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
        if _is_refusal(error):
            if said != self._refused:
                log.warning("ledger: %s", said)
            self._refused = said
            return LedgerRefused(said)
        # Many jobs ask: each would wait for the same time-out, and say the same.
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        if said != self._trouble:
            log.warning("ledger: %s", said)
        self._trouble = said
        return LedgerUnavailable(said)

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            dsn = _checked(self._dsn_file.read_text(encoding="utf-8").strip())
            self._connection = psycopg.connect(
                dsn, autocommit=True, options=_OPTIONS, connect_timeout=_CONNECT_SECONDS, application_name="trainyard"
            )
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _is_refusal(error: Exception) -> bool:
    """Tells whether Postgres answers: a broken connection and a server that goes down are told apart by their class."""
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return state is not None and not state.startswith(("08", "57P"))


def _checked(dsn: str) -> str:
    try:
        host = str(conninfo_to_dict(dsn).get("host") or "")
    except psycopg.ProgrammingError:
        host = "@"
    if "@" in host:
        # In our own words: those of the parser, and of a resolver asked for half a password, quote the password.
        raise psycopg.OperationalError(
            "dsn: must be a connection string, as postgresql://user:password@host:5432/database, percent-encoded"
        )
    return dsn

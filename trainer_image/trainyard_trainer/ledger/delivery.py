"""One thread that makes transactions, in order, each until it is made; whoever has one made waits as long as it may.

Place in the data's way: station 10, between the outbox and Postgres. After a stop was asked for, or once the run ends
by an error, all waits together are bounded. The thread is a daemon: a server that never answers keeps no process alive.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from trainyard_trainer.errors import TrainerError
from trainyard_trainer.ledger.login import OUTAGES
from trainyard_trainer.ledger.postgres import PostgresLedger
from trainyard_trainer.ledger.row_batch import ClaimRows, RowBatch
from trainyard_trainer.ledger.row_files import KeptRows, Spool
from trainyard_trainer.stop import StopRequest

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.1
"""How often a wait asks whether a stop was asked for."""
_FIRST_PAUSE_SECONDS: Final = 0.5
_CLOSE_SECONDS: Final = 1.0

Work = Callable[[PostgresLedger], object]
"""Makes one transaction; may be called again where it failed."""


class DatabaseAwayError(TrainerError):
    """Says that the database couldn't be reached for longer than the run may wait."""


_SHARE_OF_VOLUME: Final = 8


@dataclass(frozen=True, slots=True)
class Patience:
    """Says how long the database is waited for, in seconds, and how many bytes of rows may be kept meanwhile.

    `prompt` is for rows that can be kept, `start` for what must be done before the first step, `away` for how long rows
    may be kept until the run gives up, `end` for the last ones; `after_stop` is for all waits after a stop together:
    the shortest grace is 5 s. `pause` is the longest between two tries.
    """

    prompt: float = 10.0
    start: float = 180.0
    away: float = 900.0
    end: float = 180.0
    after_stop: float = 2.0
    pause: float = 5.0
    kept_bytes: int = 2**28

    def within(self, volume_bytes: int | None) -> Patience:
        """Keeps no more bytes of rows than an eighth of a volume, where that has a bound; a checkpoint copies them."""
        if volume_bytes is None:
            return self
        return replace(self, kept_bytes=min(self.kept_bytes, volume_bytes // _SHARE_OF_VOLUME))


class Entry:
    """Holds one transaction that is to be made.

    Attributes:
        number: later ones have greater numbers.
        batch: its rows while they are in memory; None where it has none, or once they are kept.
        kept: its rows on the disk.
        is_claim: whether it claims a checkpoint.
        given_up: set where it is of no use any more.
        done: whether it is made.
        error: what the ledger raised of it.
        since: when it was added, by the monotonic clock.
    """

    def __init__(self, number: int, work: Work, batch: RowBatch | None) -> None:
        self.number = number
        self.work = work
        self.batch = batch
        self.is_claim = isinstance(batch, ClaimRows)
        self.kept: KeptRows | None = None
        self.given_up = False
        self.done = False
        self.error: BaseException | None = None
        self.since = time.monotonic()

    def keep(self, run_uid: str, spool: Spool) -> KeptRows:
        """Keeps its rows on the disk, once; the thread may be writing them meanwhile."""
        batch = self.batch
        if self.kept is None and batch is not None:
            kept = KeptRows(run_uid, batch, spool)
            self.kept, self.batch, self.work = kept, None, lambda ledger: ledger.write(kept)
        if self.kept is None:
            raise RuntimeError("a transaction without rows has none to keep")
        return self.kept


class Delivery:
    """Makes transactions in a thread of its own.

    Args:
        ledger: makes each once, without patience of its own; nobody else may use it.
        stop: asked while something waits.
        patience: how long that may be.
    """

    def __init__(self, ledger: PostgresLedger, stop: StopRequest, patience: Patience) -> None:
        self._ledger = ledger
        self._stop = stop
        self._patience = patience
        self._left = math.inf
        self._changed = threading.Condition()
        self._waiting: deque[Entry] = deque()
        self._number = 0
        self._away = False
        self._error: BaseException | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._deliver, name="ledger", daemon=True)
        self._thread.start()

    @property
    def number(self) -> int:
        """Returns the number of the next entry."""
        with self._changed:
            return self._number

    def add(self, work: Work, batch: RowBatch | None = None) -> Entry:
        """Adds a transaction behind those that wait."""
        with self._changed:
            entry = Entry(self._number, work, batch)
            self._number += 1
            self._waiting.append(entry)
            self._changed.notify_all()
            return entry

    def ask(self, work: Work, seconds: float, *, or_until: Callable[[], bool] = lambda: False) -> bool:
        """Makes a transaction that is of no use later, in its turn; says whether it was made in time.

        Raises:
            Exception: what the ledger raised of it, or of rows before it.
        """
        entry = self.add(work)
        try:
            self.wait(lambda: entry.done or entry.error is not None or or_until(), seconds)
        finally:
            entry.given_up = True
        if entry.error is not None:
            raise entry.error
        return entry.done

    def waiting(self) -> list[Entry]:
        """Lists the entries with rows that aren't written."""
        with self._changed:
            return [entry for entry in self._waiting if entry.batch is not None or entry.kept is not None]

    def age(self) -> float:
        """Returns the seconds for which the oldest entry has waited; 0 where none waits."""
        with self._changed:
            return time.monotonic() - self._waiting[0].since if self._waiting else 0.0

    def is_away(self) -> bool:
        """Says that the last try has found the database away."""
        return self._away

    def is_late(self) -> bool:
        """Says that there is no use in waiting: the database can't be reached, or has been silent for too long."""
        return self._away or self.age() > self._patience.prompt

    def wait(self, over: Callable[[], bool], seconds: float) -> bool:
        """Waits until something is over, and says whether it is.

        Raises:
            Exception: what the ledger raised of rows: nothing more is written.
        """
        with self._changed:
            end = time.monotonic() + seconds
            while True:
                if self._error is not None:
                    raise self._error
                if over():
                    return True
                began = time.monotonic()
                if self._stop.requested():
                    self._left = min(self._left, self._patience.after_stop)
                if began >= end or self._left <= 0:
                    return False
                self._changed.wait(min(_LOOK_SECONDS, end - began))
                self._left -= time.monotonic() - began

    def hurry(self, seconds: float) -> None:
        """Bounds all waits from now on together, for the run ends."""
        with self._changed:
            self._left = min(self._left, seconds)

    def is_ending(self) -> bool:
        """Tells whether all waits together are bounded."""
        return self._stop.requested() or self._left < math.inf

    def close(self) -> None:
        """Ends the thread, which closes the connection; a server that doesn't answer isn't waited for."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(_CLOSE_SECONDS)

    def _deliver(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while (entry := self._next()) is not None:
            try:
                entry.work(self._ledger)
            except OUTAGES as error:
                self._is_away(entry, error, pause)
                pause = min(2 * pause, self._patience.pause)
                continue
            except BaseException as error:  # noqa: BLE001 (whoever waits raises it, whatever it is)
                entry.error = error
            pause = _FIRST_PAUSE_SECONDS
            self._is_made(entry)
        self._ledger.close()

    def _next(self) -> Entry | None:
        """Waits for the next transaction; None at the end."""
        with self._changed:
            while not self._closing:
                while self._waiting and self._waiting[0].given_up:
                    self._waiting.popleft()
                if self._waiting:
                    return self._waiting[0]
                self._changed.wait()
        return None

    def _is_away(self, entry: Entry, error: Exception, pause: float) -> None:
        """Notes that the database can't be reached, and pauses."""
        with self._changed:
            if not self._away:
                # The class alone: a message may quote the connection string.
                _log.warning("database: %s; rows wait until it is back", type(error).__name__)
            self._away = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closing or entry.given_up, pause)

    def _is_made(self, entry: Entry) -> None:
        """Notes that the database has answered; after rows that it refuses nothing more is written."""
        with self._changed:
            if self._away:
                _log.info("database: back; %d transactions have waited", len(self._waiting))
            self._away = False
            has_rows = entry.batch is not None or entry.kept is not None
            if entry.error is not None and has_rows:
                self._error, self._closing = entry.error, True
            else:
                entry.done = entry.error is None
                self._waiting.popleft()
            self._changed.notify_all()

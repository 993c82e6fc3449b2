"""Writes snapshots as checkpoints beside training, one at a time.

Place in the data's way: station 9. After `COMMIT` a checkpoint is claimed in the ledger and then shown; the caller
gives both. It never decides when a checkpoint is due.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from trainyard_trainer.checkpoints.files import AbandonedError, Origin, State, state_of, write_checkpoint
from trainyard_trainer.errors import DroppedError
from trainyard_trainer.sinks import SavedCheckpoint, Snapshot, UnwrittenRows
from trainyard_trainer.storage.storage import Storage

_log = logging.getLogger(__name__)

ABANDON_SECONDS: Final = 5.0
"""How long an upload that a stop has made useless may take to notice; then it is left to die with the process."""
POLL_SECONDS: Final = 0.2
"""How often a stop is looked for while an upload is waited for."""


class CheckpointWriter:
    """Writes snapshots to a storage; see `sinks.Checkpointer`.

    Args:
        storage: where to.
        origin: who writes.
        claim: called in the writing thread after each `COMMIT`.
        show: called after that, with the newest state only.
        timed: called right before `show` with the seconds that it all took, from the beginning of the copy on.
        resumed: the checkpoint that the run went on from, where it did: that state isn't written again.
        fence: called in the writing thread before each `COMMIT`; raises where another pod has taken this one's place,
            whose rows a state of this one would no longer fit.
        rows: knows which rows the ledger lacks; a checkpoint takes along those that were recorded before it was begun.
            Asks for this pod's place, too.

    Attributes:
        committed: the newest checkpoint that is known to be committed, claimed or not; None without one.

    What writing, `claim` or `show` raises comes out of the next `save` or `finish`. A snapshot is discarded as soon as
    it is written, can't be, or needn't be.
    """

    def __init__(
        self,
        storage: Storage,
        origin: Origin,
        claim: Callable[[SavedCheckpoint], None],
        show: Callable[[SavedCheckpoint], None],
        *,
        resumed: SavedCheckpoint | None = None,
        fence: Callable[[], None] = lambda: None,
        timed: Callable[[float], None] = lambda _: None,
        rows: UnwrittenRows | None = None,
    ) -> None:
        self._storage = storage
        self._origin = origin
        self._claim = claim
        self._show = show
        self._in_flight: _Upload | None = None
        self._newest = self.committed = resumed
        self._last: State | None = None
        self._last_taken = math.inf
        self._committed_taken = time.monotonic()
        """When the newest committed state was taken; without one of this pod's own, when its work began."""
        self._fence = fence
        self._timed = timed
        self._rows = rows

    def save(self, snapshot: Snapshot) -> None:
        """Begins to write; waits for the one before. The newest state isn't written twice."""
        with contextlib.ExitStack() as unused:
            unused.callback(snapshot.discard)
            newest = self.finish()
            if newest is None or _state(newest) != _state(snapshot):
                self._in_flight = self._begin(snapshot)
                unused.pop_all()

    def save_last(self, snapshot: Snapshot) -> SavedCheckpoint:
        """Writes at once, beside an upload of an older state, which is given as long again, and then abandoned."""
        older, began = self._in_flight, time.monotonic()
        self._last, self._last_taken = _state(snapshot), time.monotonic()
        if self._newest is not None and _state(self._newest) == _state(snapshot):
            snapshot.discard()
            return self._newest
        if older is not None and older.state == _state(snapshot):
            snapshot.discard()
        else:
            if older is not None:
                older.superseded.set()
            self._in_flight = self._begin(snapshot)
        saved = self.finish()
        if older is not None:
            older.join(time.monotonic() - began)  # it may be the best state, which nothing could make again
            older.given_up.set()
            older.join(ABANDON_SECONDS)
        if saved is None:
            raise RuntimeError("an upload that has ended without an error has a result")
        return saved

    def has_last(self) -> bool:
        """Tells whether the state that `save_last` was given is committed; False where it was given none."""
        return self._last is not None and self.committed is not None and _state(self.committed) >= self._last

    def unsaved_seconds(self) -> float:
        """Tells how much work no committed checkpoint holds: from the newest one's state to the last, or to now."""
        return max(0.0, min(self._last_taken, time.monotonic()) - self._committed_taken)

    def finish(self, given_up: Callable[[], bool] = lambda: False) -> SavedCheckpoint | None:
        """Waits for the one in flight, and gives the newest committed checkpoint; see `sinks.Checkpointer`."""
        while self._in_flight is not None and self._in_flight.is_alive():
            if given_up():
                raise DroppedError(0.0)
            self._in_flight.join(POLL_SECONDS)
        if self._in_flight is not None:
            in_flight, self._in_flight = self._in_flight, None
            self._newest = in_flight.result()
        return self._newest

    def close(self) -> None:
        """Waits for the one in flight; what it raised and nobody waited for is logged."""
        if self._in_flight is None:
            return
        self._in_flight.join()
        if self._in_flight.error is not None:
            error = self._in_flight.error
            _log.error("checkpoint not committed: %s: %s", type(error).__name__, error)

    def _begin(self, snapshot: Snapshot) -> _Upload:
        upload = _Upload(snapshot, self._write, 0 if self._rows is None else self._rows.mark())
        upload.start()
        return upload

    def _write(self, snapshot: Snapshot, upload: _Upload) -> SavedCheckpoint:
        began, rows = time.monotonic(), self._rows

        def keep_rows(folder: Path) -> int | None:
            return None if rows is None else rows.keep(upload.mark, folder)

        try:
            given_up = upload.given_up.is_set
            saved = write_checkpoint(self._storage, self._origin, snapshot, given_up, self._fence, keep_rows=keep_rows)
        finally:
            snapshot.discard()
        if self.committed is None or _state(saved) > _state(self.committed):
            self.committed, self._committed_taken = saved, upload.taken
        seconds = time.monotonic() - began
        _log.info("checkpoint %s committed: %s, %d bytes, %.2f s", _words(saved), saved.uri, saved.size_bytes, seconds)
        # The claim first: what is shown as the newest checkpoint is on its way to be an object.
        self._claim(saved)
        if not upload.superseded.is_set():
            self._timed(snapshot.copy_seconds + time.monotonic() - began)
            self._show(saved)
        return saved


class _Upload(threading.Thread):
    """Writes one snapshot. A daemon: a server that never answers doesn't keep a stopped process alive."""

    def __init__(self, snapshot: Snapshot, write: Callable[[Snapshot, _Upload], SavedCheckpoint], mark: int) -> None:
        super().__init__(name="checkpoint", daemon=True)
        self.state = _state(snapshot)
        self.mark = mark
        self.taken = time.monotonic()
        self.superseded = threading.Event()
        self.given_up = threading.Event()
        self.error: BaseException | None = None
        self._saved: SavedCheckpoint | None = None
        self._work = lambda: write(snapshot, self)

    def run(self) -> None:
        """Writes it; keep what came of it."""
        work = self._work
        del self._work  # and with it the snapshot's part in host memory, once this is done
        try:
            self._saved = work()
        except AbandonedError as error:
            _log.info("checkpoint given up for a newer one: %s", error)
            self.error = error
        except BaseException as error:  # noqa: BLE001 (the training thread raises it again, whatever it is)
            self.error = error
            if self.superseded.is_set():
                _log.warning("checkpoint not committed: %s: %s", type(error).__name__, error)

    def result(self) -> SavedCheckpoint | None:
        """Waits for it; raises what it raised."""
        self.join()
        if self.error is not None:
            raise self.error
        return self._saved


def _state(saved: SavedCheckpoint | Snapshot) -> State:
    return state_of(saved.step, saved.updates)


def _words(saved: SavedCheckpoint) -> str:
    return f"of step {saved.step}" + ("" if saved.updates is None else f", {saved.updates} updates further")

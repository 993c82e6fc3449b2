"""Snapshots become checkpoints beside training, one in flight.

Place in the data's way: station 9. After `COMMIT` the checkpoint is claimed in the ledger and then reported; the caller
gives both as one callback. It never decides when a checkpoint is due.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from trainyard_trainer.checkpoints.checkpoint import Origin, write_checkpoint
from trainyard_trainer.outlets import SavedCheckpoint, Snapshot
from trainyard_trainer.storage.storage import Storage

_log = logging.getLogger(__name__)


class CheckpointWriter:
    """A `Checkpointer` over a storage.

    `on_commit` is called from the writing thread, once per checkpoint, after its `COMMIT`. What writing or the callback
    raises comes out of the next `save` or `finish`.
    """

    def __init__(self, storage: Storage, origin: Origin, on_commit: Callable[[SavedCheckpoint], None]) -> None:
        self._storage = storage
        self._origin = origin
        self._on_commit = on_commit
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._in_flight: Future[SavedCheckpoint] | None = None
        self._newest: SavedCheckpoint | None = None

    def save(self, snapshot: Snapshot) -> None:
        """Begin to write; waits for the one before. The newest state isn't written twice."""
        newest = self.finish()
        if newest is not None and newest.step == snapshot.step:
            return
        self._in_flight = self._thread.submit(self._write, snapshot)

    def finish(self) -> SavedCheckpoint | None:
        """Wait for the one in flight; the newest committed checkpoint."""
        if self._in_flight is not None:
            in_flight, self._in_flight = self._in_flight, None
            self._newest = in_flight.result()
        return self._newest

    def close(self) -> None:
        """Wait for the one in flight and end the thread; what it raised and nobody waited for is logged."""
        self._thread.shutdown(wait=True)
        if self._in_flight is not None and (error := self._in_flight.exception()) is not None:
            _log.error("checkpoint not committed: %s: %s", type(error).__name__, error)

    def _write(self, snapshot: Snapshot) -> SavedCheckpoint:
        began = time.monotonic()
        saved = write_checkpoint(self._storage, self._origin, snapshot)
        _log.info(
            "checkpoint of step %d committed: %s, %d bytes, %.2f s",
            saved.step,
            saved.uri,
            saved.size_bytes,
            time.monotonic() - began,
        )
        self._on_commit(saved)
        return saved

"""The last a pod says: in its log, and where the kubelet reads; by its own thread, or by one that ends what hangs.

Place in the data's way: station 4, back to station 2. It is told, as the pod's life goes on, what there is to be named.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from trainyard_api.termination import CommittedCheckpoint, ExitCode, Termination
from trainyard_trainer.checkpoints.writer import CheckpointWriter
from trainyard_trainer.errors import RefusedError, StoppedError
from trainyard_trainer.ledger.outbox import Outbox
from trainyard_trainer.pod import ending
from trainyard_trainer.pod.kept_log import KeptLog
from trainyard_trainer.pod.stopped_away import told_of
from trainyard_trainer.sinks import SavedCheckpoint
from trainyard_trainer.stop import Stop, leave
from trainyard_trainer.training.stopping import stopped_at

_log = logging.getLogger(__name__)

_LOG_SECONDS: Final = 10.0
"""How long the end of a pod waits for its log to be kept."""
_LOG_SECONDS_AFTER_STOP: Final = 2.0
"""The same where a grace runs, of which at most half of what is left is taken: the state is saved by then."""


@dataclass
class LastWord:
    """Ends a pod.

    `outbox`, `writer` and `found`, the checkpoint that the run went on from, are None until they are there.
    """

    secrets: tuple[str, ...]
    path: Path
    log: KeptLog
    stop: Stop
    outbox: Outbox | None = None
    writer: CheckpointWriter | None = None
    found: SavedCheckpoint | None = None

    def done(self, termination: Termination) -> int:
        """Says that the run is done; returns the exit code."""
        _log.info("done: %s", termination.message)
        ending.write(termination, self.path)
        self.log.close(_LOG_SECONDS)
        return ExitCode.DONE

    def failed(self, error: BaseException) -> int:
        """Says what ended the run; returns the exit code."""
        code, termination = ending.of_error(error, self.secrets, self._newest())
        if isinstance(error, RefusedError | StoppedError):
            _log.log(logging.ERROR if code == ExitCode.REFUSED else logging.INFO, "ended: %s", error)
        else:
            _log.error("crashed", exc_info=error)
        ending.write(termination, self.path)
        left = max(0.0, self.stop.seconds_left() / 2)
        self.log.close(min(_LOG_SECONDS_AFTER_STOP, left) if code == ExitCode.STOPPED else _LOG_SECONDS)
        return int(code)

    def leave(self, error: BaseException) -> NoReturn:
        """Says what ended the run and ends the process, while the thread that did its work hangs."""
        leave(self.failed(told_of(error, self.stop, self.found)))

    def out_of_time(self) -> NoReturn:
        """Ends a run that something keeps from ending, with the newest checkpoint that is committed.

        Raises:
            StoppedError: always.
        """
        _log.warning("stop: something hangs, and the grace is nearly over")
        writer = self.writer
        if writer is None:
            raise stopped_at(self.found)
        saved = writer.has_last()
        dropped = 0.0 if saved else writer.unsaved_seconds()
        raise stopped_at(writer.committed or self.found, dropped, saved=saved)

    def _newest(self) -> CommittedCheckpoint | None:
        """Tells the newest committed checkpoint, and how many of its rows the ledger lacks now."""
        own, outbox = None if self.writer is None else self.writer.committed, self.outbox
        if own is None or own == self.found or outbox is None:
            return None if self.found is None else self.found.as_committed()
        # At most those that it took along: the outbox may count others, which a checkpoint was to carry that failed.
        told = own.as_committed()
        return told.model_copy(update={"unwritten_rows": min(told.unwritten_rows, outbox.unwritten())})

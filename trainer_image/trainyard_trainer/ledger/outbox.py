"""Rows on their way to a database that may be away: kept on this machine's disk, and in checkpoints.

Place in the data's way: station 10, between the loop and Postgres. While the database answers, a call returns when
its rows are there. While it is away or hangs, training goes on, for a bounded time and within bounded space.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

from trainyard_api.progress import ReportedEvaluation
from trainyard_api.run_config import RunIdentity
from trainyard_trainer.ledger.delivery import DatabaseAwayError, Delivery, Entry, Patience, Work
from trainyard_trainer.ledger.postgres import PostgresLedger
from trainyard_trainer.ledger.row_batch import ClaimRows, MeasurementRows, RowBatch, StepRows
from trainyard_trainer.ledger.row_files import Spool, free_bytes, write_files
from trainyard_trainer.sinks import SavedCheckpoint, StepMetrics
from trainyard_trainer.stop import StopRequest
from trainyard_trainer.trajectory import Trajectory

_log = logging.getLogger(__name__)


class Outbox:
    """A `Ledger` whose rows wait for their database; see `sinks.Ledger` and `sinks.UnwrittenRows`.

    Args:
        ledger: makes each transaction once, without patience of its own; nobody else may use it.
        run: whose rows they are.
        stop: asked while something waits.
        patience: how long that may be.

    Raises from every call:
        DatabaseAwayError: the database couldn't be reached for longer than the call may wait, and what it asks for
            can't be kept.
        Exception: what the ledger raised of a transaction before, of whichever call.
    """

    def __init__(
        self, ledger: PostgresLedger, run: RunIdentity, stop: StopRequest, patience: Patience | None = None
    ) -> None:
        self._run = run
        self._patience = patience or Patience()
        self._spool = Spool()
        self._carried = 0
        self._delivery = Delivery(ledger, stop, self._patience)

    def check(self) -> None:
        """Checks before any work that this attempt may write all that it will have to."""
        self.require(PostgresLedger.check)

    def rewind(self, finished: int) -> None:
        """Removes the rows of work that is about to be done again; returns when they are gone."""
        self.require(lambda ledger: ledger.rewind(finished))

    def require(self, work: Work) -> None:
        """Makes a transaction that can't be made later, in its turn."""
        if not self._delivery.ask(work, self._patience.start):
            raise DatabaseAwayError("the database couldn't be reached, and nothing may begin without it")

    def record_step(self, trajectories: Sequence[Trajectory], metrics: StepMetrics) -> None:
        """Keeps what a step trained on and its metrics, all or nothing; a repeated step replaces its rows."""
        batch = StepRows(self._run, trajectories, metrics)
        self._record(lambda ledger: ledger.record_step(trajectories, metrics), batch)

    def record_evaluation(
        self, metrics: StepMetrics, answers: Sequence[Trajectory], result: ReportedEvaluation | None = None
    ) -> None:
        """Keeps a measurement with its answers; a repeated one replaces its rows."""
        batch = MeasurementRows(self._run, metrics, answers, result)
        self._record(lambda ledger: ledger.record_evaluation(metrics, answers, result), batch)

    def record_checkpoint(self, saved: SavedCheckpoint) -> None:
        """Claims a committed checkpoint; a repeated claim changes nothing."""
        self._record(lambda ledger: ledger.record_checkpoint(saved), ClaimRows(self._run, [saved]))

    def mark(self) -> int:
        """Marks this moment."""
        return self._delivery.number

    def keep(self, mark: int, folder: Path) -> int | None:
        """Writes the rows before a mark that the database lacks as files of a folder; None where it has all."""
        delivery, prompt = self._delivery, self._patience.prompt
        delivery.wait(lambda: delivery.is_late() or not self._before(mark), prompt)
        if not self._before(mark) and delivery.ask(PostgresLedger.check, prompt, or_until=delivery.is_late):
            return None
        rows = write_files([entry.keep(self._run.uid, self._spool) for entry in self._before(mark)], folder)
        self._carried = max(self._carried, mark)
        _log.warning("database: away; %d rows go into the checkpoint", rows)
        return rows

    def finish(self) -> None:
        """Waits until every row is written; those of the newest checkpoint's files may stay unwritten.

        Raises:
            DatabaseAwayError: others are left.
        """
        if self._delivery.wait(lambda: not self._delivery.waiting(), self._patience.end):
            return
        if any(entry.number >= self._carried and not entry.is_claim for entry in self._delivery.waiting()):
            raise DatabaseAwayError("the database couldn't be reached at the end, and no checkpoint has the last rows")

    def unwritten(self) -> int:
        """Counts the rows that a checkpoint carries and the database still lacks."""
        return sum(entry.kept.rows for entry in self._before(self._carried) if entry.kept is not None)

    def hurry(self) -> None:
        """Bounds all waits from now on together, for the run ends by an error."""
        self._delivery.hurry(self._patience.prompt)

    def close(self) -> None:
        """Closes the connection; rows that wait have a short time, unless the database can't be reached."""
        delivery = self._delivery
        with contextlib.suppress(Exception):  # of rows; whoever recorded them has been told, or the run has ended
            delivery.wait(lambda: delivery.is_away() or not delivery.waiting(), self._patience.prompt)
        delivery.close()

    def _record(self, work: Work, batch: RowBatch) -> None:
        """Has rows written; returns when they are, or when they are kept."""
        delivery = self._delivery
        entry = delivery.add(work, batch)
        delivery.wait(lambda: entry.done or delivery.is_late(), self._patience.prompt)
        if entry.done:
            return
        entry.keep(self._run.uid, self._spool)
        if not self._fits():
            _log.warning("database: away; training waits, for %d bytes of rows fill their room", self._kept_bytes())
        if not delivery.wait(self._has_room, self._patience.away - delivery.age()) and not delivery.is_ending():
            raise DatabaseAwayError(
                f"the database couldn't be reached for {delivery.age():.0f} s; {self._kept_bytes()} bytes of rows wait "
                f"in room for {self._room()}; steps whose rows no checkpoint carries are done again"
            )

    def _before(self, mark: int) -> list[Entry]:
        return [entry for entry in self._delivery.waiting() if entry.number < mark]

    def _has_room(self) -> bool:
        return self._fits() and self._delivery.age() <= self._patience.away

    def _fits(self) -> bool:
        return self._kept_bytes() <= self._room()

    def _room(self) -> int:
        """Returns how many bytes may be kept: a checkpoint copies them once more, so as many must be free."""
        return min(self._patience.kept_bytes, free_bytes())

    def _kept_bytes(self) -> int:
        return sum(entry.kept.packed_bytes for entry in self._delivery.waiting() if entry.kept is not None)

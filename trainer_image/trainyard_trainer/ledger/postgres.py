"""Where every trajectory goes: the Postgres ledger.

Place in the data's way: station 10. Each call is one transaction, which first locks the run's row and fails unless it
names this attempt, so that a pod that was given up for dead can't write over its successor. A lost connection is made
anew and the whole transaction repeated: each replaces or keeps its rows, so that a commit whose reply was lost does no
harm. The schema is the operator's; this module changes rows only.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container, Sequence
from typing import Any, Final

import psycopg

from trainyard_api.names import DATABASE_SCHEMA
from trainyard_api.progress import ReportedEvaluation
from trainyard_api.run_config import RunIdentity
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.ledger.batch_writing import write_batch
from trainyard_trainer.ledger.login import OUTAGES, Login, LoginLostError, connect, refusal
from trainyard_trainer.ledger.row_batch import ClaimRows, MeasurementRows, RowBatch, StepRows
from trainyard_trainer.ledger.trainer_statements import (
    CURRENT_ATTEMPT,
    FENCE,
    LACKING_RIGHTS,
    NEEDED_RIGHTS,
    REWIND,
    STEPS_WRITTEN,
)
from trainyard_trainer.sinks import SavedCheckpoint, StepMetrics
from trainyard_trainer.trajectory import Trajectory

_log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 180.0
"""How long a transaction is repeated while the database can't be reached."""
_LONGEST_WAIT_SECONDS: Final = 15.0


class PostgresLedger:
    """A `Ledger` in Postgres; threads may share it, their transactions take turns.

    Raises from every call:
        RefusedError: FENCED, when another attempt is the current one; DATABASE_REFUSED, when the login or its rights
            are refused the first time.
        OUTAGES: the database couldn't be reached, or no longer takes the login, for PATIENCE_SECONDS.
    """

    def __init__(self, login: Login, run: RunIdentity, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._login = login
        self._run = run
        self._patience = patience_seconds
        self._lock = threading.Lock()
        self._connection: psycopg.Connection | None = None
        self._proven = False
        """Whether the login has been taken once: from then on only the Secret's next reader knows a better one."""

    def check(self) -> None:
        """Checks before any work that this attempt may write all that it will have to."""

        def rights(cursor: psycopg.Cursor) -> None:
            tables, needed = zip(*NEEDED_RIGHTS, strict=True)
            lacking = cursor.execute(LACKING_RIGHTS, [list(tables), list(needed), DATABASE_SCHEMA]).fetchall()
            if lacking:
                what = ", ".join(f"{right} on {DATABASE_SCHEMA}.{table}" for table, right in lacking)
                raise self._login.refused(f"the login must be a member of the role trainyard_trainer; it lacks {what}")

        self._transact(rights)

    def rewind(self, finished: int) -> None:
        """Removes the rows of steps that aren't finished and of measurements taken after; claims stay."""

        def write(cursor: psycopg.Cursor) -> None:
            for deletion in REWIND:
                cursor.execute(deletion, [self._run.uid, finished])

        self._transact(write)

    def record_step(self, trajectories: Sequence[Trajectory], metrics: StepMetrics) -> None:
        """Keeps what a step trained on and its metrics in one transaction; a repeated step replaces its rows."""
        stray = next((t.id for t in trajectories if t.id.step > metrics.step), None)
        if stray is not None:
            raise ValueError(
                f"trajectory {stray}: its prompt must be of step {metrics.step}, which trains on it, or earlier"
            )
        self.write(StepRows(self._run, trajectories, metrics))

    def record_evaluation(
        self, metrics: StepMetrics, answers: Sequence[Trajectory], result: ReportedEvaluation | None = None
    ) -> None:
        """Keeps a measurement with its answers in one transaction; a repeated one replaces its rows."""
        self.write(MeasurementRows(self._run, metrics, answers, result))

    def record_checkpoint(self, saved: SavedCheckpoint) -> None:
        """Claims a committed checkpoint; a repeated claim changes nothing."""
        self.write(ClaimRows(self._run, [saved]))

    def write(self, batch: RowBatch) -> None:
        """Writes a batch's rows in one transaction, in the place of those of the same steps and measurements.

        A claim that is there stays as it is.
        """
        self._transact(lambda cursor: write_batch(cursor, self._run.uid, batch))

    def restore(self, batch: RowBatch) -> None:
        """Writes a batch that comes from a checkpoint's files, as `write` does.

        Raises:
            ValueError: the database refuses a row of it.
        """
        try:
            self.write(batch)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise ValueError(f"the database refuses a row ({error.diag.message_primary})") from error

    def first_missing_step(self, finished: int, attempt: int, besides: Container[int]) -> int | None:
        """Finds the first of so many steps that has no metrics of this attempt or an earlier one; None where all have.

        Args:
            finished: finished steps of a state.
            attempt: the one that made it; rows of a later one aren't those that the state was made with.
            besides: steps that needn't have any.
        """
        found: set[int] = set()

        def read(cursor: psycopg.Cursor) -> None:
            found.clear()
            found.update(step for (step,) in cursor.execute(STEPS_WRITTEN, [self._run.uid, finished, attempt]))

        self._transact(read)
        return next((step for step in range(finished) if step not in found and step not in besides), None)

    def close(self) -> None:
        """Closes the connection."""
        with self._lock:
            self._drop()

    def _transact(self, work: Callable[[psycopg.Cursor], Any]) -> None:
        """Runs `work` in one fenced transaction, and repeats it while the database can't be reached."""
        with self._lock:
            deadline = time.monotonic() + self._patience
            wait = 1.0
            while True:
                try:
                    return self._attempt(work)
                except OUTAGES as error:
                    self._drop()
                    if time.monotonic() + wait > deadline:
                        raise
                    # The class alone: a message may quote the connection string.
                    _log.warning("database: %s, trying again in %.0f s", type(error).__name__, wait)
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)

    def _attempt(self, work: Callable[[psycopg.Cursor], Any]) -> None:
        if self._connection is None:
            self._connection = self._connect()
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                self._fence(cursor)
                work(cursor)
        except psycopg.Error as error:
            refused = None if self._proven else refusal(self._login, error)
            if refused is not None:
                raise refused from error
            raise
        self._proven = True

    def _connect(self) -> psycopg.Connection:
        try:
            return connect(self._login)
        except RefusedError as error:
            if not self._proven:
                raise
            raise LoginLostError("the server no longer takes the login") from error

    def _fence(self, cursor: psycopg.Cursor) -> None:
        if cursor.execute(FENCE, [self._run.uid, self._run.attempt]).rowcount == 1:
            return
        row = cursor.execute(CURRENT_ATTEMPT, [self._run.uid]).fetchone()
        current = "no such run" if row is None else f"attempt {row[0]}"
        raise RefusedError(
            TerminationReason.FENCED,
            f"the ledger must name attempt {self._run.attempt} of run {self._run.uid} as the current one, for only "
            f"that one may write; it names {current}",
        )

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

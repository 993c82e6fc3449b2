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
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import psycopg
from psycopg import sql

from trainyard_api.ledger import (
    CHECKPOINTS,
    EVALUATION_ANSWERS,
    EVALUATIONS,
    TRAINING_METRICS,
    CheckpointRow,
    EvaluationRow,
    MetricsRow,
)
from trainyard_api.names import DATABASE_SCHEMA
from trainyard_api.progress import ReportedEvaluation
from trainyard_api.run_config import RunIdentity
from trainyard_api.table import Row, Table
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.ledger.login import Login, connect, refusal
from trainyard_trainer.ledger.rows import STEP_TABLES, answer_rows, measurements_and_timings, rows
from trainyard_trainer.ledger.statements import values
from trainyard_trainer.ledger.trainer_statements import (
    CLAIM,
    CURRENT_ATTEMPT,
    DELETE_EQUAL,
    DELETE_EVALUATION,
    DELETE_METRICS,
    DELETE_STEP,
    FENCE,
    INSERT_EVALUATION,
    INSERT_METRICS,
    LACKING_RIGHTS,
    NEEDED_RIGHTS,
    REWIND,
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
            are refused.
        psycopg.OperationalError: the database couldn't be reached for PATIENCE_SECONDS.
    """

    def __init__(self, login: Login, run: RunIdentity, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._login = login
        self._run = run
        self._patience = patience_seconds
        self._lock = threading.Lock()
        self._connection: psycopg.Connection | None = None

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

        def write(cursor: psycopg.Cursor) -> None:
            cursor.execute(DELETE_STEP, [self._run.uid, metrics.step])
            keys = [(t.id.step, t.id.prompt, t.id.sample) for t in trajectories]
            if keys:
                # A late trajectory may have been trained on in another step before the run went back.
                cursor.execute(DELETE_EQUAL, [*(list(part) for part in zip(*keys, strict=True)), self._run.uid])
            made = rows(self._run.uid, self._run.attempt, metrics.step, trajectories)
            for table in STEP_TABLES:
                _insert(cursor, table, made[table.name])
            self._write_metrics(cursor, metrics)

        self._transact(write)

    def record_evaluation(
        self, metrics: StepMetrics, answers: Sequence[Trajectory], result: ReportedEvaluation | None = None
    ) -> None:
        """Keeps a measurement with its answers in one transaction; a repeated one replaces its rows."""

        def write(cursor: psycopg.Cursor) -> None:
            row = EvaluationRow(
                run_uid=self._run.uid,
                kind=metrics.kind,
                step=metrics.step,
                attempt=self._run.attempt,
                answers=len(answers),
                result=None if result is None else result.to_wire(),
            )
            cursor.execute(DELETE_EVALUATION, [row.run_uid, row.kind, row.step])
            cursor.execute(INSERT_EVALUATION, values(EVALUATIONS, row))
            _insert(cursor, EVALUATION_ANSWERS, answer_rows(self._run.uid, metrics.kind, metrics.step, answers))
            self._write_metrics(cursor, metrics)

        self._transact(write)

    def record_checkpoint(self, saved: SavedCheckpoint) -> None:
        """Claims a committed checkpoint; a repeated claim changes nothing."""
        row = CheckpointRow(
            uri=saved.uri,
            run_uid=self._run.uid,
            attempt=saved.attempt or self._run.attempt,
            step=saved.step,
            updates=saved.updates,
            digest=saved.digest,
            size_bytes=saved.size_bytes,
            metrics=dict(saved.metrics),
            parent_uri=saved.parent_uri,
        )
        self._transact(lambda cursor: cursor.execute(CLAIM, values(CHECKPOINTS, row)))

    def close(self) -> None:
        """Closes the connection."""
        with self._lock:
            self._drop()

    def _write_metrics(self, cursor: psycopg.Cursor, metrics: StepMetrics) -> None:
        measurements, timings = measurements_and_timings(metrics)
        row = MetricsRow(
            run_uid=self._run.uid,
            kind=metrics.kind,
            step=metrics.step,
            attempt=self._run.attempt,
            policy_version=metrics.policy_version,
            measurements=measurements,
            timings=timings,
        )
        cursor.execute(DELETE_METRICS, [row.run_uid, row.kind, row.step])
        cursor.execute(INSERT_METRICS, values(TRAINING_METRICS, row))

    def _transact(self, work: Callable[[psycopg.Cursor], Any]) -> None:
        """Runs `work` in one fenced transaction, and repeats it while the database can't be reached."""
        with self._lock:
            deadline = time.monotonic() + self._patience
            wait = 1.0
            while True:
                try:
                    return self._attempt(work)
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    self._drop()
                    if time.monotonic() + wait > deadline:
                        raise
                    # The class alone: a message may quote the connection string.
                    _log.warning("database: %s, trying again in %.0f s", type(error).__name__, wait)
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)

    def _attempt(self, work: Callable[[psycopg.Cursor], Any]) -> None:
        if self._connection is None:
            self._connection = connect(self._login)
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                self._fence(cursor)
                work(cursor)
        except psycopg.Error as error:
            refused = refusal(self._login, error)
            if refused is not None:
                raise refused from error
            raise

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


def _insert(cursor: psycopg.Cursor, table: Table[Row], content: Iterable[Row]) -> None:
    """Inserts rows by a COPY into a temporary table: COPY itself can't write a table with row-level security."""
    target, aside = sql.Identifier(DATABASE_SCHEMA, table.name), sql.Identifier(f"new_{table.name}")
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.written)
    cursor.execute(sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {}) ON COMMIT DROP").format(aside, target))
    with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(aside, columns)) as copy:
        for row in content:
            copy.write_row(values(table, row))
    cursor.execute(sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(target, columns, columns, aside))

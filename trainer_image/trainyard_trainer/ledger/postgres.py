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
from psycopg.types.json import Jsonb

from trainyard_api.names import DATABASE_SCHEMA
from trainyard_api.run_config import RunIdentity
from trainyard_api.termination import TerminationReason
from trainyard_api.training_job_status import ReportedEvaluation
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.ledger.login import Login, connect, refusal
from trainyard_trainer.ledger.rows import ANSWER_COLUMNS, COLUMNS, Row, answer_rows, measurements_and_timings, rows
from trainyard_trainer.sinks import SavedCheckpoint, StepMetrics
from trainyard_trainer.trajectory import Trajectory

_log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 180.0
"""How long a transaction is repeated while the database can't be reached."""
_LONGEST_WAIT_SECONDS: Final = 15.0

_FENCE: Final = "UPDATE trainyard.runs SET last_write_at = now() WHERE uid = %s AND attempt = %s"
_REWIND: Final = (
    "DELETE FROM trainyard.trajectories WHERE run_uid = %s AND coalesce(trained_step, step) >= %s",
    "DELETE FROM trainyard.training_metrics WHERE run_uid = %s AND kind = 'step' AND step >= %s",
    "DELETE FROM trainyard.training_metrics WHERE run_uid = %s AND kind <> 'step' AND step > %s",
    "DELETE FROM trainyard.evaluations WHERE run_uid = %s AND step > %s",
)
_STEP_ROWS: Final = """
    DELETE FROM trainyard.trajectories WHERE run_uid = %s AND coalesce(trained_step, step) = %s
"""
_EQUAL_ROWS: Final = """
    DELETE FROM trainyard.trajectories t USING unnest(%s::integer[], %s::integer[], %s::integer[]) AS k (s, p, n)
    WHERE t.run_uid = %s AND t.step = k.s AND t.prompt = k.p AND t.sample = k.n
"""
_METRICS: Final = """
    INSERT INTO trainyard.training_metrics (run_uid, kind, step, attempt, policy_version, measurements, timings)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_CHECKPOINT: Final = """
    INSERT INTO trainyard.checkpoints (uri, run_uid, attempt, step, updates, digest, size_bytes, metrics, parent_uri)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (uri) DO NOTHING
"""
_NO_EVALUATION: Final = "DELETE FROM trainyard.evaluations WHERE run_uid = %s AND kind = %s AND step = %s"
_EVALUATION: Final = """
    INSERT INTO trainyard.evaluations (run_uid, kind, step, attempt, answers, result) VALUES (%s, %s, %s, %s, %s, %s)
"""
_RIGHTS: Final = """
    SELECT "table", "right"
    FROM unnest(%s::text[], %s::text[]) AS needed ("table", "right")
    WHERE NOT has_table_privilege('trainyard.' || "table", "right")
"""
_NEEDED: Final = (
    *(
        (table, right)
        for table in (*COLUMNS, "training_metrics", "evaluations", "evaluation_answers")
        for right in ("SELECT", "INSERT", "DELETE")
    ),
    ("checkpoints", "INSERT"),
)


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
        """Find out before any work whether this attempt may write all that it will have to."""

        def rights(cursor: psycopg.Cursor) -> None:
            tables, needed = zip(*_NEEDED, strict=True)
            lacking = cursor.execute(_RIGHTS, [list(tables), list(needed)]).fetchall()
            if lacking:
                what = ", ".join(f"{right} on {DATABASE_SCHEMA}.{table}" for table, right in lacking)
                raise self._login.refused(f"the login must be a member of the role trainyard_trainer; it lacks {what}")

        self._transact(rights)

    def rewind(self, finished: int) -> None:
        """Remove the rows of steps that aren't finished and of measurements taken after; claims stay."""

        def write(cursor: psycopg.Cursor) -> None:
            for statement in _REWIND:
                cursor.execute(statement, [self._run.uid, finished])

        self._transact(write)

    def record_step(self, trajectories: Sequence[Trajectory], metrics: StepMetrics) -> None:
        """Keep what a step trained on and its metrics in one transaction; a repeated step replaces its rows."""
        stray = next((t.id for t in trajectories if t.id.step > metrics.step), None)
        if stray is not None:
            raise ValueError(
                f"trajectory {stray}: its prompt must be of step {metrics.step}, which trains on it, or earlier"
            )

        def write(cursor: psycopg.Cursor) -> None:
            cursor.execute(_STEP_ROWS, [self._run.uid, metrics.step])
            keys = [(t.id.step, t.id.prompt, t.id.sample) for t in trajectories]
            if keys:
                # A late trajectory may have been trained on in another step before the run went back.
                cursor.execute(_EQUAL_ROWS, [*(list(part) for part in zip(*keys, strict=True)), self._run.uid])
            for table, content in rows(self._run.uid, self._run.attempt, metrics.step, trajectories).items():
                _insert(cursor, table, COLUMNS[table], content)
            self._write_metrics(cursor, metrics)

        self._transact(write)

    def record_evaluation(
        self, metrics: StepMetrics, answers: Sequence[Trajectory], result: ReportedEvaluation | None = None
    ) -> None:
        """Keep a measurement with its answers in one transaction; a repeated one replaces its rows."""

        def write(cursor: psycopg.Cursor) -> None:
            key = [self._run.uid, metrics.kind, metrics.step]
            concluded = None if result is None else Jsonb(result.to_wire())
            cursor.execute(_NO_EVALUATION, key)
            cursor.execute(_EVALUATION, [*key, self._run.attempt, len(answers), concluded])
            answered = answer_rows(self._run.uid, metrics.kind, metrics.step, answers)
            _insert(cursor, "evaluation_answers", ANSWER_COLUMNS, answered)
            self._write_metrics(cursor, metrics)

        self._transact(write)

    def record_checkpoint(self, saved: SavedCheckpoint) -> None:
        """Claim a committed checkpoint; a repeated claim changes nothing."""
        values = [saved.uri, self._run.uid, saved.attempt or self._run.attempt, saved.step, saved.updates]
        values += [saved.digest, saved.size_bytes, Jsonb(dict(saved.metrics)), saved.parent_uri]
        self._transact(lambda cursor: cursor.execute(_CHECKPOINT, values))

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def _write_metrics(self, cursor: psycopg.Cursor, metrics: StepMetrics) -> None:
        key = [self._run.uid, metrics.kind, metrics.step]
        cursor.execute("DELETE FROM trainyard.training_metrics WHERE run_uid = %s AND kind = %s AND step = %s", key)
        measurements, timings = measurements_and_timings(metrics)
        values = [self._run.attempt, metrics.policy_version, Jsonb(measurements), Jsonb(timings)]
        cursor.execute(_METRICS, key + values)

    def _transact(self, work: Callable[[psycopg.Cursor], Any]) -> None:
        """Run `work` in one fenced transaction, again and again while the database can't be reached."""
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
        if cursor.execute(_FENCE, [self._run.uid, self._run.attempt]).rowcount == 1:
            return
        row = cursor.execute("SELECT attempt FROM trainyard.runs WHERE uid = %s", [self._run.uid]).fetchone()
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


def _insert(cursor: psycopg.Cursor, table: str, names: Sequence[str], content: Iterable[Row]) -> None:
    """COPY into a temporary table, then INSERT: COPY itself can't write a table with row-level security."""
    target, aside = sql.Identifier(DATABASE_SCHEMA, table), sql.Identifier(f"new_{table}")
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    cursor.execute(sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {}) ON COMMIT DROP").format(aside, target))
    with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(aside, columns)) as copy:
        for row in content:
            copy.write_row(row)
    cursor.execute(sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(target, columns, columns, aside))

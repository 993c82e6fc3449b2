"""The ledger, as far as the operator writes it: runs, attempts, what pods have cost; and the claims of checkpoints.

Place in the data's way: station 10. The only module that speaks SQL to Postgres besides `migrate.py`. One connection,
opened when needed and opened anew after a failure; the DSN is read from its file each time, for it may be rotated.
Decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb

from trainyard_api.training_job_status import OpenPod
from trainyard_operator import migrate
from trainyard_operator.claims import Claim
from trainyard_operator.clock import parse_time

log = logging.getLogger(__name__)

T = TypeVar("T")

_OPTIONS: Final = "-c statement_timeout=10000 -c lock_timeout=5000 -c timezone=UTC"
_CONNECT_SECONDS: Final = 5
_MEASUREMENT: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LARGEST: Final = 1e300
_RETRY_SECONDS: Final = 2.0
_STEPS: Final = """
    SELECT m.run_uid, r.namespace, r.name, m.step, m.step_seconds, m.rollout_seconds, m.update_seconds,
           CASE WHEN octet_length(m.measurements::text) > 16384 THEN NULL ELSE m.measurements END
    FROM unnest(%s::text[], %s::integer[]) AS seen (uid, step)
    JOIN trainyard.training_metrics m ON m.run_uid = seen.uid AND m.kind = 'step' AND m.step > seen.step
    JOIN trainyard.runs r ON r.uid = m.run_uid
    ORDER BY m.run_uid, m.step LIMIT 10000
"""
# Rows of trainers: a run gets its share and no more, and nothing of any length, however much one of them has written.
_CLAIMS: Final = """
    SELECT left(c.uri, 2048), c.run_uid, c.attempt, c.step, left(c.digest, 100), c.size_bytes,
           CASE WHEN pg_column_size(c.metrics) > 16384 THEN NULL
                WHEN octet_length(c.metrics::text) > 16384 THEN NULL ELSE c.metrics END, c.committed_at, c.updates
    FROM unnest(%s::text[]) AS asked (uid) CROSS JOIN LATERAL (
        SELECT * FROM trainyard.checkpoints WHERE run_uid = asked.uid
        ORDER BY step DESC, updates DESC NULLS LAST, attempt DESC, committed_at DESC LIMIT 1000) c
    ORDER BY c.step, c.updates NULLS FIRST, c.attempt, c.committed_at
"""


@dataclass(frozen=True)
class StepRow:
    """What was measured of a step of a run; durations are in seconds, None: not measured."""

    run_uid: str
    namespace: str
    name: str
    step: int
    step_seconds: float | None
    rollout_seconds: float | None
    update_seconds: float | None
    measurements: Mapping[str, float]


class LedgerUnavailable(Exception):  # noqa: N818 - a state of the world, not a mistake
    """The ledger can't be reached or refused a statement; the text holds no password."""


class Ledger:
    """The operator's login to Postgres."""

    def __init__(self, dsn_file: Path) -> None:
        self._dsn_file = dsn_file
        self._connection: psycopg.Connection | None = None
        self._lock = asyncio.Lock()
        self._retry_at = 0.0
        self._trouble: str | None = None

    async def migrate(self) -> int:
        """Brings the schema to this version; returns how many migrations were applied.

        Raises:
            LedgerUnavailable: it failed.
        """
        return await self._run(lambda connection: len(migrate.apply(connection)))

    async def begin_attempt(
        self, *, run_uid: str, namespace: str, name: str, attempt: int, job_name: str, tags: Mapping[str, str]
    ) -> None:
        """Makes an attempt the run's current one; from here on the trainers of earlier attempts are refused.

        Raises:
            LedgerUnavailable: it failed.
        """

        def write(connection: psycopg.Connection) -> None:
            with connection.transaction():
                connection.execute(
                    """
                    INSERT INTO trainyard.runs (uid, namespace, name, attempt, tags) VALUES (%s, %s, %s, %s, %s)
                    ON CONFLICT (uid) DO UPDATE
                    SET attempt = greatest(runs.attempt, excluded.attempt), tags = excluded.tags
                    """,
                    (run_uid, namespace, name, attempt, Jsonb(dict(tags))),
                )
                connection.execute(
                    """
                    INSERT INTO trainyard.attempts (run_uid, attempt, job_name) VALUES (%s, %s, %s)
                    ON CONFLICT DO NOTHING
                    """,
                    (run_uid, attempt, job_name),
                )

        await self._run(write)

    async def end_run(self, run_uid: str, reason: str) -> None:
        """Writes why a run and its last attempt ended; a second call changes nothing.

        Raises:
            LedgerUnavailable: it failed.
        """

        def write(connection: psycopg.Connection) -> None:
            with connection.transaction():
                connection.execute(
                    "UPDATE trainyard.runs SET ended_at = now() WHERE uid = %s AND ended_at IS NULL", (run_uid,)
                )
                connection.execute(
                    """
                    UPDATE trainyard.attempts SET ended_at = now(), reason = %s
                    WHERE run_uid = %s AND ended_at IS NULL
                    """,
                    (reason, run_uid),
                )

        await self._run(write)

    async def book(self, pod: OpenPod, amount: Any, *, run_uid: str, namespace: str, name: str) -> None:
        """Writes what an ended pod has cost; a pod is booked once, whatever a second call says.

        Args:
            pod: with its end time.
            amount: Decimal US dollars.
            run_uid: uid of its TrainingJob.
            namespace: of its TrainingJob.
            name: of its TrainingJob.

        Raises:
            LedgerUnavailable: it failed.
        """
        bound, ended = parse_time(pod.bound_time), parse_time(pod.end_time or pod.bound_time)
        row = (pod.uid, run_uid, namespace, name, pod.name, bound, ended, pod.rate_per_hour_usd, amount)
        await self._run(
            lambda connection: connection.execute(
                """
                INSERT INTO trainyard.pod_spend (pod_uid, run_uid, namespace, name, pod_name,
                                                 bound_at, ended_at, rate_per_hour_usd, amount_usd)
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (pod_uid) DO NOTHING
                """,
                row,
            )
        )

    async def claims(self, run_uids: Iterable[str]) -> dict[str, tuple[Claim, ...]]:
        """The checkpoints that runs claim to have committed, by run uid; every asked uid is a key.

        Of a run the 1,000 of the highest steps.

        Raises:
            LedgerUnavailable: it failed.
        """
        asked = list(run_uids)
        rows = await self._run(lambda connection: connection.execute(_CLAIMS, (asked,)).fetchall()) if asked else []
        found: dict[str, list[Claim]] = {uid: [] for uid in asked}
        for row in rows:
            found[row[1]].append(_claim(row))
        return {uid: tuple(claims) for uid, claims in found.items()}

    async def steps(self, seen: Mapping[str, int]) -> list[StepRow]:
        """The steps that runs have finished lately, in order.

        Args:
            seen: run uid → its last step that is already known; -1 for none.

        Raises:
            LedgerUnavailable: it failed.
        """
        if not seen:
            return []
        uids, steps = list(seen), list(seen.values())
        rows = await self._run(lambda connection: connection.execute(_STEPS, (uids, steps)).fetchall())
        return [_step(row) for row in rows]

    async def close(self) -> None:
        """Ends the connection."""
        async with self._lock:
            await asyncio.to_thread(self._drop)

    async def _run(self, work: Callable[[psycopg.Connection], T]) -> T:
        # One at a time: a connection is no pool, and statements here are short.
        async with self._lock:
            if self._connection is None and time.monotonic() < self._retry_at:
                raise LedgerUnavailable(self._trouble or "not connected")
            try:
                result = await asyncio.to_thread(self._attempt, work)
            except (psycopg.Error, migrate.MigrationError, OSError) as error:
                raise self._failed(error) from error
            if self._trouble is not None:
                log.info("ledger: Postgres answers again")
            self._trouble = None
            return result

    def _attempt(self, work: Callable[[psycopg.Connection], T]) -> T:
        fresh = self._connection is None
        try:
            return work(self._connected())
        except psycopg.OperationalError:
            self._drop()
            if fresh:
                raise
        # The server went away since the last call and may be back: every statement here may be repeated.
        return work(self._connected())

    def _failed(self, error: Exception) -> LedgerUnavailable:
        # Many jobs ask: each would wait for the same time-out, and say the same.
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        lines = str(error).strip().splitlines()
        said = f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
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


def _numbers(measurements: Any) -> dict[str, float]:
    """Named numbers of a trainer's row, whose column may hold any JSON; the first 64 of those with a plain name."""
    known = measurements.items() if isinstance(measurements, dict) else ()
    plain = [
        (name, float(value))
        for name, value in known
        if _MEASUREMENT.fullmatch(name) and isinstance(value, int | float) and abs(value) < _LARGEST
    ]
    return dict(sorted(plain)[:64])


def _step(row: tuple[Any, ...]) -> StepRow:
    uid, namespace, name, step, whole, rollout, update, measurements = row
    return StepRow(uid, namespace, name, step, whole, rollout, update, _numbers(measurements))


def _claim(row: tuple[Any, ...]) -> Claim:
    uri, run_uid, attempt, step, digest, size_bytes, metrics, committed, updates = row
    # A trainer's row: the column may hold any JSON.
    texts = (
        {key: value for key, value in metrics.items() if isinstance(value, str)} if isinstance(metrics, dict) else {}
    )
    return Claim(uri, run_uid, attempt, step, digest, size_bytes, texts, committed, updates)

"""Runs and attempts: which attempt of a TrainingJob may write, and why each ended.

Place in the data's way: station 10, before a child Job is made and after its pods have ended.
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg.types.json import Jsonb

from trainyard_operator.ledger.connection import Ledger


async def begin_attempt(
    ledger: Ledger, *, run_uid: str, namespace: str, name: str, attempt: int, job_name: str, tags: Mapping[str, str]
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

    await ledger.run(write)


async def end(ledger: Ledger, run_uid: str, reason: str) -> None:
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

    await ledger.run(write)

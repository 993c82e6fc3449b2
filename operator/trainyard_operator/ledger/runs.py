"""Runs and attempts: which attempt of a TrainingJob may write, and why each ended.

Place in the data's way: station 10, before a child Job is made and after its pods have ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import psycopg

from trainyard_api.ledger import ATTEMPTS, RUNS, AttemptRow, RunRow
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.statements import insert, statement, values

_BEGIN_RUN: Final = insert(RUNS) + statement(
    """
    ON CONFLICT ({runs.uid}) DO UPDATE
    SET {runs.attempt} = greatest({runs}.{runs.attempt}, excluded.{runs.attempt}), {runs.tags} = excluded.{runs.tags}
    """
)
_BEGIN_ATTEMPT: Final = insert(ATTEMPTS) + statement(" ON CONFLICT DO NOTHING")
_END_RUN: Final = statement(
    "UPDATE {runs} SET {runs.ended_at} = now() WHERE {runs.uid} = %s AND {runs.ended_at} IS NULL"
)
_END_ATTEMPT: Final = statement(
    """
    UPDATE {attempts} SET {attempts.ended_at} = now(), {attempts.reason} = %s
    WHERE {attempts.run_uid} = %s AND {attempts.ended_at} IS NULL
    """
)


async def begin_attempt(
    ledger: Ledger, *, run_uid: str, namespace: str, name: str, attempt: int, job_name: str, tags: Mapping[str, str]
) -> None:
    """Makes an attempt the run's current one; from here on the trainers of earlier attempts are refused.

    Raises:
        LedgerUnavailable: it failed.
    """
    run = RunRow(uid=run_uid, namespace=namespace, name=name, attempt=attempt, tags=dict(tags))
    begun = AttemptRow(run_uid=run_uid, attempt=attempt, job_name=job_name)

    def write(connection: psycopg.Connection) -> None:
        with connection.transaction():
            connection.execute(_BEGIN_RUN, values(RUNS, run))
            connection.execute(_BEGIN_ATTEMPT, values(ATTEMPTS, begun))

    await ledger.run(write)


async def end(ledger: Ledger, run_uid: str, reason: str) -> None:
    """Writes why a run and its last attempt ended; a second call changes nothing.

    Raises:
        LedgerUnavailable: it failed.
    """

    def write(connection: psycopg.Connection) -> None:
        with connection.transaction():
            connection.execute(_END_RUN, [run_uid])
            connection.execute(_END_ATTEMPT, [reason, run_uid])

    await ledger.run(write)

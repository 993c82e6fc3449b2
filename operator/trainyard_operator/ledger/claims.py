"""The checkpoints that trainers claim to have committed.

Place in the data's way: from station 10 to station 9. Of a run at most 1,000 claims are read, and of each no value of
any length: one run's rows take neither the others' claims nor the operator's memory. One is written by the operator
where a trainer was stopped while the database was away.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import psycopg

from trainyard_api.ledger import CHECKPOINTS, CheckpointRow
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import ClaimRefused
from trainyard_operator.ledger.rows import Claim, texts_in
from trainyard_operator.ledger.statements import insert, statement, values

_CLAIMS: Final = statement(
    """
    SELECT left(c.{checkpoints.uri}, 2048), c.{checkpoints.run_uid}, c.{checkpoints.attempt}, c.{checkpoints.step},
           left(c.{checkpoints.digest}, 100), c.{checkpoints.size_bytes},
           CASE WHEN pg_column_size(c.{checkpoints.metrics}) > 16384 THEN NULL
                WHEN octet_length(c.{checkpoints.metrics}::text) > 16384 THEN NULL ELSE c.{checkpoints.metrics} END,
           c.{checkpoints.committed_at}, c.{checkpoints.updates}
    FROM unnest(%s::text[]) AS asked (uid) CROSS JOIN LATERAL (
        SELECT * FROM {checkpoints} WHERE {checkpoints.run_uid} = asked.uid
        ORDER BY {checkpoints.step} DESC, {checkpoints.updates} DESC NULLS LAST, {checkpoints.attempt} DESC,
                 {checkpoints.committed_at} DESC LIMIT 1000) c
    ORDER BY c.{checkpoints.step}, c.{checkpoints.updates} NULLS FIRST, c.{checkpoints.attempt},
             c.{checkpoints.committed_at}
    """
)


_BOOK: Final = insert(CHECKPOINTS) + statement(" ON CONFLICT ({checkpoints.uri}) DO NOTHING")
_OTHERS: Final = statement(
    "SELECT {checkpoints.run_uid} FROM {checkpoints} WHERE {checkpoints.uri} = %s AND {checkpoints.run_uid} <> %s"
)


async def book(ledger: Ledger, claim: Claim) -> None:
    """Writes the claim of a trainer that couldn't; one that is there stays as it is.

    Raises:
        LedgerUnavailable: it failed.
        ClaimRefused: it would fail every time: another run has claimed the URI, or the row breaks a rule of the table,
            as where the run's own row is gone.
    """
    row = CheckpointRow(
        uri=claim.uri,
        run_uid=claim.run_uid,
        attempt=claim.attempt,
        step=claim.step,
        updates=claim.updates,
        digest=claim.digest,
        size_bytes=claim.size_bytes,
        metrics=dict(claim.metrics),
        parent_uri=None,
    )

    def write(connection: psycopg.Connection) -> str:
        try:
            connection.execute(_BOOK, values(CHECKPOINTS, row))
        except (psycopg.IntegrityError, psycopg.DataError) as error:
            return f"{type(error).__name__}: {str(error).splitlines()[0]}"
        other = connection.execute(_OTHERS, [claim.uri, claim.run_uid]).fetchone()
        return "" if other is None else f"run {other[0]} has claimed it"

    refusal = await ledger.run(write)
    if refusal:
        raise ClaimRefused(refusal)


async def read(ledger: Ledger, run_uids: Iterable[str]) -> dict[str, tuple[Claim, ...]]:
    """Reads what runs claim, by run uid; every asked uid is a key, and of a run the 1,000 highest steps count.

    Raises:
        LedgerUnavailable: it failed.
    """
    asked = list(run_uids)
    rows = await ledger.run(lambda connection: connection.execute(_CLAIMS, (asked,)).fetchall()) if asked else []
    found: dict[str, list[Claim]] = {uid: [] for uid in asked}
    for row in rows:
        claim = _claim(row)
        found[claim.run_uid].append(claim)
    return {uid: tuple(claims) for uid, claims in found.items()}


def _claim(row: tuple[Any, ...]) -> Claim:
    uri, run_uid, attempt, step, digest, size_bytes, metrics, committed, updates = row
    return Claim(uri, run_uid, attempt, step, digest, size_bytes, texts_in(metrics), committed, updates)

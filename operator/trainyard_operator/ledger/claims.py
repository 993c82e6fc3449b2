"""The checkpoints that trainers claim to have committed.

Place in the data's way: from station 10 to station 9. Of a run at most 1,000 claims are read, and of each no value of
any length: one run's rows take neither the others' claims nor the operator's memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.rows import Claim, texts_in

_CLAIMS: Final = """
    SELECT left(c.uri, 2048), c.run_uid, c.attempt, c.step, left(c.digest, 100), c.size_bytes,
           CASE WHEN pg_column_size(c.metrics) > 16384 THEN NULL
                WHEN octet_length(c.metrics::text) > 16384 THEN NULL ELSE c.metrics END, c.committed_at, c.updates
    FROM unnest(%s::text[]) AS asked (uid) CROSS JOIN LATERAL (
        SELECT * FROM trainyard.checkpoints WHERE run_uid = asked.uid
        ORDER BY step DESC, updates DESC NULLS LAST, attempt DESC, committed_at DESC LIMIT 1000) c
    ORDER BY c.step, c.updates NULLS FIRST, c.attempt, c.committed_at
"""


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

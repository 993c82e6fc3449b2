"""Claims about the reading of checkpoints' rows, on a real Postgres."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.servers import Database
from tests.trainyard_operator.builders import UID, claim
from trainyard_operator.ledger import claims, runs
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import ClaimRefused

pytestmark = pytest.mark.integration

ATTEMPT = {
    "run_uid": UID,
    "namespace": "team-a",
    "name": "sums",
    "attempt": 1,
    "job_name": "sums-1",
    "tags": {"commit": "1a2b"},
}


def test_claims_come_by_run_and_any_json_is_survived(ledger: Ledger, database: Database) -> None:
    """Every asked run is answered; metrics that aren't texts by name are dropped."""
    asyncio.run(runs.begin_attempt(ledger, **ATTEMPT))
    for step, metrics in ((1, '{"reward_mean": "0.5", "deep": {"x": 1}, "n": 3}'), (2, "[1, 2]")):
        database.execute(
            "INSERT INTO trainyard.checkpoints (uri, run_uid, attempt, step, digest, size_bytes, metrics)"
            " VALUES (%s, %s, 1, %s, 'd', 5, %s)",
            *(f"s3://b/{step}/", UID, step, metrics),
        )
    found = asyncio.run(claims.read(ledger, [UID, "other"]))
    assert [(claim.step, dict(claim.metrics)) for claim in found[UID]] == [(1, {"reward_mean": "0.5"}), (2, {})]
    assert found["other"] == ()
    assert asyncio.run(claims.read(ledger, [])) == {}


def test_what_a_trainer_writes_is_read_in_bounds(ledger: Ledger, database: Database) -> None:
    """One run's flood of rows, or a row of megabytes, takes neither the others' claims nor the operator's memory."""
    for uid in (UID, "flood"):
        asyncio.run(runs.begin_attempt(ledger, **ATTEMPT | {"run_uid": uid}))
    insert = "INSERT INTO trainyard.checkpoints (uri, run_uid, attempt, step, digest, size_bytes, metrics)"
    database.execute(f"{insert} SELECT 's3://f/' || n, 'flood', 1, n, 'd', 5, '{{}}' FROM generate_series(1, 1500) n")
    large = "jsonb_build_object('reward_mean', repeat('1', 20000000))"
    database.execute(f"{insert} VALUES ('s3://b/1', %s, 1, 1, repeat('d', 9000000), 5, {large})", UID)
    found = asyncio.run(claims.read(ledger, ["flood", UID]))
    assert [claim.step for claim in found["flood"]] == list(range(501, 1501))
    assert [(claim.step, claim.metrics, len(claim.digest)) for claim in found[UID]] == [(1, {}, 100)]


def test_a_claim_is_booked_once_and_one_that_never_can_be_is_told_apart(ledger: Ledger, database: Database) -> None:
    """Of a run without a row, of a URI that another run has, of a number too large for its column."""

    async def refusal(**changes: Any) -> str:
        with pytest.raises(ClaimRefused) as caught:
            await claims.book(ledger, claim(**changes))
        return str(caught.value)

    async def go() -> None:
        words = "ForeignKeyViolation: insert or update on table"
        assert (await refusal()).startswith(words)
        for uid in (UID, "other"):
            await runs.begin_attempt(ledger, **ATTEMPT | {"run_uid": uid})
        for _ in range(2):
            await claims.book(ledger, claim())
        assert await refusal(run_uid="other") == f"run {UID} has claimed it"
        assert "out of range" in await refusal(uri="s3://b/x/", step=2**40)

    asyncio.run(go())
    assert database.rows("SELECT run_uid, step FROM trainyard.checkpoints") == [(UID, 10)]

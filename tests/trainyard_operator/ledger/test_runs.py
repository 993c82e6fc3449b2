"""Claims about runs and attempts in the operator's ledger, on a real Postgres."""

from __future__ import annotations

import asyncio

import pytest

from tests.servers import Database
from tests.trainyard_operator.builders import UID
from trainyard_operator.ledger import runs
from trainyard_operator.ledger.connection import Ledger

pytestmark = pytest.mark.integration

ATTEMPT = {
    "run_uid": UID,
    "namespace": "team-a",
    "name": "sums",
    "attempt": 1,
    "job_name": "sums-1",
    "tags": {"commit": "1a2b"},
}


def test_an_attempt_is_begun_once_and_never_turned_back(ledger: Ledger, database: Database) -> None:
    """The run's attempt fences trainers: it may only rise."""

    async def go() -> None:
        for attempt in (1, 2, 1):
            await runs.begin_attempt(ledger, **ATTEMPT | {"attempt": attempt, "job_name": f"sums-{attempt}"})

    asyncio.run(go())
    assert database.rows("SELECT namespace, name, attempt FROM trainyard.runs") == [("team-a", "sums", 2)]
    assert database.rows("SELECT attempt, job_name FROM trainyard.attempts ORDER BY 1") == [
        (1, "sums-1"),
        (2, "sums-2"),
    ]


def test_an_ended_run_keeps_its_first_reason(ledger: Ledger, database: Database) -> None:
    """A repeated pass changes nothing; a run that never began is no error."""

    async def go() -> None:
        await runs.end(ledger, "unheard-of", "Failed")
        await runs.begin_attempt(ledger, **ATTEMPT)
        await runs.end(ledger, UID, "OutOfMemory")
        await runs.end(ledger, UID, "Deleted")

    asyncio.run(go())
    rows = database.rows(
        "SELECT a.reason, r.ended_at IS NOT NULL FROM trainyard.attempts a JOIN trainyard.runs r ON true"
    )
    assert rows == [("OutOfMemory", True)]

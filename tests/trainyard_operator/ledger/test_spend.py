"""Claims about what pods have cost in the operator's ledger, on a real Postgres."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from tests.servers import Database
from tests.trainyard_operator.builders import UID, open_pod
from trainyard_api.training_job_status import OpenPod
from trainyard_operator.ledger import spend
from trainyard_operator.ledger.connection import Ledger

pytestmark = pytest.mark.integration

POD = OpenPod.model_validate(open_pod(end=-10))
OWNER = {"run_uid": UID, "namespace": "team-a", "name": "sums"}


def test_a_pod_is_booked_once_whatever_a_second_call_says(ledger: Ledger, database: Database) -> None:
    """The first row stands."""

    async def go() -> None:
        await spend.book(ledger, POD, Decimal("0.037500"), **OWNER)
        await spend.book(ledger, POD, Decimal(9), **OWNER)

    asyncio.run(go())
    rows = database.rows("SELECT amount_usd, rate_per_hour_usd, ended_at - bound_at FROM trainyard.pod_spend")
    assert [(amount, rate, span.total_seconds()) for amount, rate, span in rows] == [
        (Decimal("0.0375"), Decimal("1.5"), 90)
    ]

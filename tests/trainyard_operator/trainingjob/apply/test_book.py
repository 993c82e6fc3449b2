"""Claims about writing to a ledger that is away."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from tests.trainyard_operator.builders import observed, open_pod
from trainyard_api.training_job_status import OpenPod
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import LedgerUnavailable
from trainyard_operator.money.booking import BookSpend
from trainyard_operator.trainingjob.actions import EndRun
from trainyard_operator.trainingjob.apply import book

POD = OpenPod.model_validate(open_pod(end=-10))


def _write(action: BookSpend | EndRun, directory: Path) -> None:
    asyncio.run(book.write(Ledger(directory / "dsn"), observed().metadata, action))


def test_what_must_be_booked_fails_the_pass(tmp_path: Path) -> None:
    """The next pass tries again: no finalizer comes off before the row is there."""
    for action in (BookSpend(POD, Decimal("0.5")), EndRun("Completed")):
        with pytest.raises(LedgerUnavailable):
            _write(action, tmp_path)


def test_a_namespace_that_goes_waits_for_no_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What wasn't booked is logged with its amount."""
    for action in (BookSpend(POD, Decimal("0.5"), required=False), EndRun("Deleted", required=False)):
        _write(action, tmp_path)
    assert "unbooked" in caplog.text
    assert "Decimal('0.5')" in caplog.text

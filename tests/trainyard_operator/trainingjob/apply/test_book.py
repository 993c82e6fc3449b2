"""Claims about writing to a ledger that is away, and to one that is there."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.servers import postgres
from tests.trainyard_operator.builders import NAME, NOW, POD_UID, UID, at, claim, observed, open_pod
from tests.trainyard_operator.memory_api import MemoryLedger
from trainyard_api.training_job_status import OpenPod
from trainyard_operator.ledger import runs
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import ClaimRefused, LedgerRefused, LedgerUnavailable
from trainyard_operator.money.booking import Spend
from trainyard_operator.trainingjob.apply import book
from trainyard_operator.trainingjob.apply.memory import Memory, refusal
from trainyard_operator.trainingjob.decision.actions import BookAtOnce, BookClaim, BookSpend, EndRun
from trainyard_operator.trainingjob.decision.observed import Refusal

SPENT = Spend(OpenPod.model_validate(open_pod(end=-10)), Decimal("0.5"))
ACTIONS = (BookSpend(SPENT), BookClaim(claim()), EndRun("Completed"), BookAtOnce((SPENT,), "Deleted"))


@pytest.mark.parametrize("action", ACTIONS)
def test_what_cant_be_booked_is_an_error(action: BookSpend, tmp_path: Path) -> None:
    """The action's class says what follows: a pass that ends, or a warning."""
    with pytest.raises(LedgerUnavailable):
        asyncio.run(book.write(Ledger(tmp_path / "dsn"), observed().metadata, action, Memory(), NOW))


async def _write(ledger: Ledger) -> None:
    await runs.begin_attempt(
        ledger, run_uid=UID, namespace="team-a", name=NAME, attempt=1, job_name=f"{NAME}-1", tags={}
    )
    for action in ACTIONS * 2:
        await book.write(ledger, observed().metadata, action, Memory(), NOW)
    other = Spend(SPENT.pod.model_copy(update={"uid": "last"}), Decimal("0.25"))
    await book.write(ledger, observed().metadata, BookAtOnce((SPENT, other), "Deleted"), Memory(), NOW)
    await ledger.close()


@pytest.mark.integration
def test_each_row_is_written_once_and_the_first_end_stands(tmp_path: Path) -> None:
    """A pass that was cut off writes them again, of another reason perhaps."""
    with postgres() as server:
        database = server.database()
        (tmp_path / "dsn").write_text(database.owner)
        asyncio.run(_write(Ledger(tmp_path / "dsn")))
        spent = database.rows("SELECT run_uid, amount_usd FROM trainyard.pod_spend ORDER BY 2")
        assert spent == [(UID, Decimal("0.250000")), (UID, Decimal("0.500000"))]
        assert database.rows("SELECT uri, step FROM trainyard.checkpoints") == [(claim().uri, 10)]
        assert database.rows("SELECT reason FROM trainyard.attempts") == [("Completed",)]


def test_each_action_writes_its_own_rows() -> None:
    """Of this run: spend with its job, the claim as it is, the end with its reason, and all of it at once."""
    written = {}
    for action in ACTIONS:
        ledger: Any = MemoryLedger()
        asyncio.run(book.write(ledger, observed().metadata, action, Memory(), NOW))
        written[type(action)] = ledger.executed
    (spent,) = written[BookSpend]
    row = {POD_UID, UID, "team-a", NAME, f"{NAME}-1-abcde", at(-100), at(-10), Decimal("1.5"), Decimal("0.5")}
    assert set(spent) == row
    claimed, asked = written[BookClaim]
    assert {claim().uri, UID, claim().digest, 10, 2048} <= {each for each in claimed if isinstance(each, str | int)}
    assert asked == [claim().uri, UID]
    assert written[EndRun] == [[UID], ["Completed", UID]]
    assert written[BookAtOnce] == [spent, [UID], ["Deleted", UID]]


class Refusing:
    """A ledger that refuses every row."""

    def __init__(self, error: LedgerUnavailable) -> None:
        self.error = error

    async def run(self, _: Any) -> None:
        """Refuses."""
        raise self.error


def _refused(error: LedgerUnavailable, action: book.Booking) -> Memory:
    memory, ledger = Memory(), Refusing(error)
    with pytest.raises(LedgerUnavailable):
        asyncio.run(book.write(ledger, observed().metadata, action, memory, NOW))  # type: ignore[arg-type]
    return memory


def test_a_refusal_is_remembered_and_an_outage_is_seen_by_itself() -> None:
    """Of the ledger, whatever the row; of a claim that it can never take, of that claim alone."""
    for action in ACTIONS:
        memory = _refused(LedgerRefused("read-only"), action)
        assert (memory.ledger, memory.claims) == (Refusal("read-only", at(30), timedelta(seconds=30)), {})
        assert _refused(LedgerUnavailable("away"), action) == Memory()
    memory = _refused(ClaimRefused("taken"), BookClaim(claim()))
    assert memory.ledger is None
    assert memory.claims[claim().uri].message == (
        "committed.uri: the ledger can't take its row: taken; its files stay: make a Checkpoint of them by hand; "
        f'got "{claim().uri}"'
    )


def test_a_row_that_is_taken_ends_what_was_remembered() -> None:
    """Of the ledger. A claim's own row may still not be among those that are read, and then there is a word for it."""
    memory = Memory(ledger=refusal("read-only", NOW))
    ledger: Any = MemoryLedger()
    asyncio.run(book.write(ledger, observed().metadata, EndRun("Completed"), memory, NOW))
    assert memory == Memory()
    asyncio.run(book.write(ledger, observed().metadata, BookClaim(claim()), memory, NOW))
    assert memory.claims[claim().uri].message.startswith(
        "committed.uri: of a run the 1,000 claims of the highest steps"
    )

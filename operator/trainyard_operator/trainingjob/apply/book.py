"""Writing into the ledger: what pods have cost, what they committed, and why a run has ended.

Place in the data's way: from station 2 to station 10. Each row may find itself written.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from trainyard_api.kind import ObjectMeta
from trainyard_operator.cluster.messages import at_field
from trainyard_operator.ledger import claims, runs, spend
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import ClaimRefused, LedgerRefused
from trainyard_operator.money.booking import Spend
from trainyard_operator.trainingjob.apply.memory import Memory, longer
from trainyard_operator.trainingjob.decision.actions import BookAtOnce, BookClaim, BookSpend, EndRun

_TOO_MANY: Final = "of a run the 1,000 claims of the highest steps count, and it isn't among them"

Booking = BookSpend | BookClaim | EndRun | BookAtOnce


async def write(ledger: Ledger, metadata: ObjectMeta, action: Booking, memory: Memory, now: datetime) -> None:
    """Writes an action's rows, and remembers a refusal: the next pass says it.

    Raises:
        LedgerUnavailable: it failed.
    """
    try:
        await _write(ledger, metadata, action)
    except ClaimRefused as error:
        if isinstance(action, BookClaim):
            _remember(memory, action.claim.uri, f"the ledger can't take its row: {error}", now)
        raise
    except LedgerRefused as error:
        memory.ledger = longer(memory.ledger, str(error), now)
        raise
    memory.ledger = None
    if isinstance(action, BookClaim):
        # Said only where the next look at the run's claims doesn't show it.
        _remember(memory, action.claim.uri, _TOO_MANY, now)


def _remember(memory: Memory, uri: str, why: str, now: datetime) -> None:
    said = at_field("committed.uri", f"{why}; its files stay: make a Checkpoint of them by hand", uri)
    memory.claims[uri] = longer(memory.claims.get(uri), said, now)


async def _write(ledger: Ledger, metadata: ObjectMeta, action: Booking) -> None:
    match action:
        case BookSpend(spent):
            await _spend(ledger, metadata, spent)
        case BookClaim(claim):
            await claims.book(ledger, claim)
        case EndRun(reason):
            await runs.end(ledger, metadata.uid, reason)
        case BookAtOnce(spends, reason):
            for spent in spends:
                await _spend(ledger, metadata, spent)
            await runs.end(ledger, metadata.uid, reason)


async def _spend(ledger: Ledger, metadata: ObjectMeta, spent: Spend) -> None:
    await spend.book(
        ledger, spent.pod, spent.amount, run_uid=metadata.uid, namespace=metadata.namespace, name=metadata.name
    )

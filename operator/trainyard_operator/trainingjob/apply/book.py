"""Writing into the ledger: what pods have cost, what they committed, and why a run has ended.

Place in the data's way: from station 2 to station 10. Each row may find itself written.
"""

from __future__ import annotations

from trainyard_api.kind import ObjectMeta
from trainyard_operator.ledger import claims, runs, spend
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.money.booking import Spend
from trainyard_operator.trainingjob.actions import BookAtOnce, BookClaim, BookSpend, EndRun


async def write(ledger: Ledger, metadata: ObjectMeta, action: BookSpend | BookClaim | EndRun | BookAtOnce) -> None:
    """Writes an action's rows.

    Raises:
        LedgerUnavailable: it failed.
    """
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

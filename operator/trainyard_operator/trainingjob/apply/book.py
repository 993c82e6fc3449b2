"""Writing into the ledger what a pod has cost, and why a run has ended.

Place in the data's way: from station 2 to station 10.
"""

from __future__ import annotations

import logging

from trainyard_api.kind import ObjectMeta
from trainyard_operator.ledger import runs, spend
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import LedgerUnavailable
from trainyard_operator.money.booking import BookSpend
from trainyard_operator.trainingjob.actions import EndRun

log = logging.getLogger(__name__)


async def write(ledger: Ledger, metadata: ObjectMeta, action: BookSpend | EndRun) -> None:
    """Writes an action's rows.

    Raises:
        LedgerUnavailable: it failed, and is required.
    """
    try:
        if isinstance(action, EndRun):
            await runs.end(ledger, metadata.uid, action.reason)
        else:
            await spend.book(
                ledger,
                action.pod,
                action.amount,
                run_uid=metadata.uid,
                namespace=metadata.namespace,
                name=metadata.name,
            )
    except LedgerUnavailable as error:
        if action.required:
            raise
        log.warning("%s/%s: the namespace goes, unbooked: %s; %s", metadata.namespace, metadata.name, action, error)

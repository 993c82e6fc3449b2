"""What ended pods have cost.

Place in the data's way: stations 12 and 10, after a pod's end is in the status and before its finalizer goes.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from trainyard_api.ledger import POD_SPEND, SpendRow
from trainyard_api.training_job_status import OpenPod
from trainyard_operator.cluster.clock import parse_time
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.statements import insert, statement, values

_BOOK: Final = insert(POD_SPEND) + statement(" ON CONFLICT ({pod_spend.pod_uid}) DO NOTHING")


async def book(ledger: Ledger, pod: OpenPod, amount: Decimal, *, run_uid: str, namespace: str, name: str) -> None:
    """Writes what an ended pod has cost; a pod is booked once, whatever a second call says.

    Args:
        ledger: the operator's login.
        pod: with its end time.
        amount: US dollars.
        run_uid: uid of its TrainingJob.
        namespace: of its TrainingJob.
        name: of its TrainingJob.

    Raises:
        LedgerUnavailable: it failed.
    """
    row = SpendRow(
        pod_uid=pod.uid,
        run_uid=run_uid,
        namespace=namespace,
        name=name,
        pod_name=pod.name,
        bound_at=parse_time(pod.bound_time),
        ended_at=parse_time(pod.end_time or pod.bound_time),
        rate_per_hour_usd=Decimal(pod.rate_per_hour_usd),
        amount_usd=amount,
    )
    await ledger.run(lambda connection: connection.execute(_BOOK, values(POD_SPEND, row)))

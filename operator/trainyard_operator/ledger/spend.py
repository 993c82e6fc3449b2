"""What ended pods have cost.

Place in the data's way: stations 12 and 10, after a pod's end is in the status and before its finalizer goes.
"""

from __future__ import annotations

from decimal import Decimal

from trainyard_api.training_job_status import OpenPod
from trainyard_operator.clock import parse_time
from trainyard_operator.ledger.connection import Ledger


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
    bound, ended = parse_time(pod.bound_time), parse_time(pod.end_time or pod.bound_time)
    row = (pod.uid, run_uid, namespace, name, pod.name, bound, ended, pod.rate_per_hour_usd, amount)
    await ledger.run(
        lambda connection: connection.execute(
            """
            INSERT INTO trainyard.pod_spend (pod_uid, run_uid, namespace, name, pod_name,
                                             bound_at, ended_at, rate_per_hour_usd, amount_usd)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (pod_uid) DO NOTHING
            """,
            row,
        )
    )

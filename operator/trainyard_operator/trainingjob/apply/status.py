"""Writing the status of a TrainingJob, each half at most once.

Place in the data's way: from station 2 to station 11. What it says was decided in `trainingjob/status.py`'s halves.
"""

from __future__ import annotations

from trainyard_api import names
from trainyard_operator.cluster.kube import TRAINING_JOBS, Kube
from trainyard_operator.cluster.status import apply_status
from trainyard_operator.trainingjob.actions import Plan
from trainyard_operator.trainingjob.observed import Observed
from trainyard_operator.trainingjob.status import halves


async def write(kube: Kube, observed: Observed, plan: Plan, version: str) -> bool:
    """Applies the halves that have changed; returns whether any had.

    Raises:
        KubeError: it was refused; a conflict where the object has changed since that version.
    """
    operator_half, budget_half = halves(observed.raw_status)
    wrote = False
    # The money first: whoever reads that a job has ended reads what it has cost.
    for before, after, manager in (
        (budget_half, plan.budget_half, names.BUDGET_MANAGER),
        (operator_half, plan.operator_half, names.OPERATOR_MANAGER),
    ):
        if before == after:
            continue
        version = await apply_status(
            kube,
            TRAINING_JOBS,
            "TrainingJob",
            namespace=observed.metadata.namespace,
            name=observed.metadata.name,
            version=version,
            status=after,
            manager=manager,
        )
        wrote = True
    return wrote

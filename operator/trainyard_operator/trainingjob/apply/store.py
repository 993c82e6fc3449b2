"""Making Checkpoint objects of claims, and copying what was measured onto one.

Place in the data's way: from station 2 to station 9.
"""

from __future__ import annotations

from datetime import datetime

from trainyard_operator.checkpoint.apply import write_status
from trainyard_operator.checkpoint.objects import checkpoint_body, claimed_status
from trainyard_operator.cluster.kube import CHECKPOINTS, Kube, KubeError
from trainyard_operator.cluster.messages import bounded
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.trainingjob.apply.memory import Memory, refusal
from trainyard_operator.trainingjob.decision.actions import CopyEvaluation, StoreCheckpoint
from trainyard_operator.trainingjob.decision.observed import Observed


async def store(kube: Kube, observed: Observed, action: StoreCheckpoint, memory: Memory, now: datetime) -> None:
    """Makes the object of a claim and fills its status; a refusal is remembered, and ends nothing.

    Raises:
        KubeError: it was refused; a conflict where the object has just changed.
    """
    claim = action.claim
    try:
        await _store(kube, observed, claim, now)
        memory.stores.pop(claim.uri, None)
    except KubeError as error:
        if error.reason != "Conflict":
            why = f"checkpoints.uri: the Checkpoint object was refused: {error}; got {claim.uri}"
            memory.stores[claim.uri] = refusal(bounded(why), now)
        raise


async def copy_evaluation(kube: Kube, namespace: str, action: CopyEvaluation) -> bool:
    """Writes an evaluation onto its Checkpoint; returns whether it was there and lacked it.

    Raises:
        KubeError: a request failed.
    """
    existing = await kube.get(CHECKPOINTS.path(namespace, action.checkpoint))
    status = (existing or {}).get("status") or {}
    if existing is None or status.get("evaluation") == action.evaluation:
        return False
    await write_status(kube, existing, status | {"evaluation": dict(action.evaluation)})
    return True


async def _store(kube: Kube, observed: Observed, claim: Claim, now: datetime) -> None:
    metadata, storage = observed.metadata, observed.spec.checkpoints.storage
    body = checkpoint_body(claim, storage, namespace=metadata.namespace, job=metadata.name, job_uid=metadata.uid)
    name = body["metadata"]["name"]
    existing = await kube.get(CHECKPOINTS.path(metadata.namespace, name))
    if existing is None:
        existing = await kube.create(CHECKPOINTS.path(metadata.namespace), body)
    if existing["spec"]["source"]["uri"] != claim.uri:
        raise KubeError(409, "NameConflict", f"metadata.name: Checkpoint {name} stands for other files")
    reference = observed.status.model_ref
    status = claimed_status(
        claim,
        job=metadata.name,
        job_uid=metadata.uid,
        parent=reference.checkpoint if reference else None,
        generation=existing["metadata"]["generation"],
        now=now,
    )
    await write_status(kube, existing, status)

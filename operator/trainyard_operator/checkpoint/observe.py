"""Observing one Checkpoint and who reports on it.

Place in the data's way: station 9, before the decision. Decides nothing.
"""

from __future__ import annotations

from typing import Any

from trainyard_api import names
from trainyard_api.checkpoint import Checkpoint
from trainyard_operator.checkpoint.observed import Observed
from trainyard_operator.cluster.kube import TRAINING_JOBS
from trainyard_operator.cluster.reader import ClusterReader


async def observe(reader: ClusterReader, body: dict[str, Any]) -> Observed:
    """Observes a Checkpoint.

    Args:
        reader: where to look.
        body: the Checkpoint, read before anything else.

    Raises:
        pydantic.ValidationError: it breaks its schema.
        KubeError: a request failed.
    """
    checkpoint = Checkpoint.model_validate(body)
    metadata = checkpoint.metadata
    name, uid = metadata.labels.get(names.JOB_LABEL), metadata.labels.get(names.JOB_UID_LABEL)
    job = await reader.get(TRAINING_JOBS, metadata.namespace, name) if name and uid else None
    return Observed(checkpoint, has_job=job is not None and job["metadata"]["uid"] == uid)

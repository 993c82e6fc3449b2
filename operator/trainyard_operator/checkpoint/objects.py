"""Checkpoint objects: made from a claim, or found because a person made them.

Place in the data's way: station 9. Pure builders of what the API server is sent. No ownerReference: checkpoints outlive
their job.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from trainyard_api import names
from trainyard_api.checkpoint import Checkpoint
from trainyard_api.conditions import ConditionType, Reason
from trainyard_api.decimals import size_text
from trainyard_api.fields import API_VERSION
from trainyard_api.model_source import Storage
from trainyard_operator.cluster.clock import format_time
from trainyard_operator.ledger.rows import Claim

_METRIC_NAME: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]{0,62}$")
_NUMBER: Final = re.compile(r"^-?[0-9]+(\.[0-9]+)?$")
_MAX_METRICS: Final = 32
REWARD_METRIC: Final = "reward_mean"
"""The measurement that the column REWARD shows."""


def checkpoint_body(claim: Claim, storage: Storage, *, namespace: str, job: str, job_uid: str) -> dict[str, Any]:
    """Builds the Checkpoint object of a claim, without its status."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Checkpoint",
        "metadata": {
            "name": claim.object_name(job, job_uid),
            "namespace": namespace,
            "labels": names.job_labels(job, job_uid, claim.attempt),
        },
        "spec": {"source": {"uri": claim.uri, "digest": claim.digest}, "storage": storage.to_wire()},
    }


def claimed_status(
    claim: Claim, *, job: str, job_uid: str, parent: str | None, generation: int, now: datetime
) -> dict[str, Any]:
    """Builds the status of a Checkpoint that stands for a claim.

    Args:
        claim: the row.
        job: name of its TrainingJob.
        job_uid: uid of its TrainingJob.
        parent: name of the Checkpoint that the run started from.
        generation: of the Checkpoint object.
        now: time of the condition.
    """
    # A slash is no part of a name in the API: an operator of an earlier release could not read it.
    named = {name.replace("/", "."): text for name, text in claim.metrics.items()}
    metrics = {name: text for name, text in named.items() if _METRIC_NAME.fullmatch(name) and _is_number(text)}
    status: dict[str, Any] = {
        "conditions": [_ready(Reason.COMMITTED, "All files are committed.", generation, now)],
        "uri": claim.uri,
        "digest": claim.digest,
        "step": claim.step,
        "size": size_text(claim.size_bytes),
        "metrics": dict(sorted(metrics.items())[:_MAX_METRICS]),
        "trainingJobRef": {"name": job, "uid": job_uid},
    }
    if claim.updates is not None:
        status["updates"] = claim.updates
    if REWARD_METRIC in metrics:
        status["reward"] = metrics[REWARD_METRIC]
    if parent is not None:
        status["parentRef"] = {"name": parent}
    return status


def imported_status(checkpoint: Checkpoint, now: datetime) -> dict[str, Any]:
    """Builds the status of a Checkpoint that a person made for files that lie in a bucket."""
    message = "Imported as it is; a trainer that loads it checks the digest."
    return {
        "conditions": [_ready(Reason.IMPORTED, message, checkpoint.metadata.generation, now)],
        "uri": checkpoint.spec.source.uri,
        "digest": checkpoint.spec.source.digest,
    }


def _is_number(text: str) -> bool:
    return len(text) <= 32 and _NUMBER.fullmatch(text) is not None


def _ready(reason: Reason, message: str, generation: int, now: datetime) -> dict[str, Any]:
    return {
        "type": ConditionType.READY.value,
        "status": "True",
        "reason": reason.value,
        "message": message,
        "lastTransitionTime": format_time(now),
        "observedGeneration": generation,
    }

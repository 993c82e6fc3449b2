"""The run config of an attempt: what its pod reads at its start.

Place in the data's way: from station 2 to station 4. Pure builders: the text, and the immutable ConfigMap that carries
it, named by its digest.
"""

from __future__ import annotations

import hashlib
from typing import Any

from trainyard_api import names
from trainyard_api.checkpoint import Checkpoint
from trainyard_api.checkpoint_manifest import canonical_json
from trainyard_api.quantities import parse_quantity
from trainyard_api.run_config import (
    RUN_CONFIG_VERSION,
    PinnedCheckpoint,
    RunCheckpoints,
    RunConfig,
    RunIdentity,
    RunModel,
    RunStorage,
)
from trainyard_api.training_job import TrainingJob
from trainyard_api.training_job_status import ModelReference, TrainingJobStatus


def run_config_text(
    job: TrainingJob, attempt: int, pinned: Checkpoint | None, baseline: Checkpoint | None = None
) -> str:
    """Writes the JSON text that a trainer pod reads.

    Args:
        job: the TrainingJob.
        attempt: number of the attempt.
        pinned: the Checkpoint that `status.modelRef` names, where the model is one.
        baseline: the Checkpoint that `status.baselineRef` names, where there is one.
    """
    spec, metadata = job.spec, job.metadata
    status = job.status or TrainingJobStatus()
    identity = RunIdentity(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        attempt=attempt,
        began_on=metadata.creation_timestamp[:10] if metadata.creation_timestamp else None,
    )
    config = RunConfig(
        version=RUN_CONFIG_VERSION,
        run=identity,
        model=_model(job, pinned, status.model_ref),
        algorithm=spec.algorithm,
        task=spec.task,
        evaluation=spec.evaluation,
        baseline=None if baseline is None else _pinned(baseline, status.baseline_ref),
        checkpoints=RunCheckpoints(
            every_steps=spec.checkpoints.every_steps,
            stop_grace_seconds=spec.checkpoints.stop_grace_seconds,
            storage=RunStorage(s3=spec.checkpoints.storage.s3),
        ),
        memory_limit_bytes=int(parse_quantity(spec.trainer.memory)),
        tracking=spec.tracking,
        tags=spec.tags,
        database_secret=spec.database.secret_ref.name,
    )
    return canonical_json(config.to_wire()).decode()


def config_map_name(job: str, attempt: int, text: str) -> str:
    """Names the ConfigMap that carries a text."""
    return names.run_config_map(job, attempt, hashlib.sha256(text.encode()).hexdigest())


def config_map_body(name: str, text: str, child: dict[str, Any]) -> dict[str, Any]:
    """Builds the immutable ConfigMap, owned by the child Job.

    Args:
        name: of the ConfigMap.
        text: the run config.
        child: the child Job as the API server has it.
    """
    metadata = child["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": metadata["labels"],
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "immutable": True,
        "data": {names.RUN_CONFIG_FILE: text},
    }


def _model(job: TrainingJob, pinned: Checkpoint | None, reference: ModelReference | None) -> RunModel:
    source = job.spec.model
    if source.checkpoint is None:
        return RunModel(s3=source.s3, path=source.path, hugging_face=source.hugging_face, scratch=source.scratch)
    return RunModel(checkpoint=_pinned(pinned, reference))


def _pinned(checkpoint: Checkpoint | None, reference: ModelReference | None) -> PinnedCheckpoint:
    if checkpoint is None or reference is None:
        raise ValueError(f"status: what the job refers to must be pinned before a start; got {reference}")
    return PinnedCheckpoint(
        name=reference.checkpoint,
        uri=checkpoint.spec.source.uri,
        digest=reference.digest,
        storage=RunStorage(s3=checkpoint.spec.storage.s3),
    )

"""Which checkpoint a job starts from, or is compared with: resolved once, then pinned for ever.

Place in the data's way: station 2. Two manifests applied together arrive in any order, so what isn't there yet is
waited for; what can never come ends the job. Pure: the objects it looks at are observed elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainyard_api.checkpoint import Checkpoint
from trainyard_api.conditions import ConditionType, Reason
from trainyard_api.model_source import CheckpointSource
from trainyard_api.training_job import TrainingJob
from trainyard_api.training_job_status import ModelReference
from trainyard_operator.cluster.messages import at_field
from trainyard_operator.trainingjob.decision.observed import SourceView

_PATH = "spec.model.checkpoint"
_WAITS = Reason.WAITING_FOR_CHECKPOINT


@dataclass(frozen=True)
class Pinned:
    """The checkpoint to start from."""

    reference: ModelReference


@dataclass(frozen=True)
class Waiting:
    """It may still come."""

    message: str
    reason: Reason = _WAITS


@dataclass(frozen=True)
class Never:
    """It can't come any more."""

    message: str


Resolution = Pinned | Waiting | Never


def checkpoint_name(source: CheckpointSource, job: TrainingJob | None) -> str | None:
    """Names the Checkpoint that the reference means now; None while that is open."""
    if source.name is not None:
        return source.name
    if job is None or not _has_ended(job) or job.status is None or job.status.latest_checkpoint_ref is None:
        return None
    return job.status.latest_checkpoint_ref.name


def resolve(source: CheckpointSource, view: SourceView, own_name: str, name_path: str = f"{_PATH}.name") -> Resolution:
    """Follows the reference.

    Args:
        source: the reference.
        view: what it points at; `view.checkpoint` is the object that `checkpoint_name` named.
        own_name: of the job that asks.
        name_path: the manifest's field of `source.name`.
    """
    if source.training_job is not None:
        undecided = _of_job(source.training_job, view, own_name)
        if undecided is not None:
            return undecided
    path, name = name_path, source.name or ""
    if source.training_job is not None:
        path, name = f"{_PATH}.trainingJob", source.training_job
    checkpoint = view.checkpoint
    if checkpoint is None:
        if source.training_job is not None:
            return Never(at_field(path, "that TrainingJob has ended and its Checkpoint was deleted", name))
        return Waiting(at_field(path, "waiting for a Checkpoint of this name", name))
    digest = _digest_if_ready(checkpoint)
    if digest is None:
        return Waiting(at_field(path, f"waiting for Checkpoint {checkpoint.metadata.name} to be Ready", name))
    return Pinned(ModelReference(checkpoint=checkpoint.metadata.name, uid=checkpoint.metadata.uid, digest=digest))


def recheck(reference: ModelReference, checkpoint: Checkpoint | None, path: str = _PATH) -> Never | None:
    """Says why a pinned checkpoint can no longer be used, None while it can; `path` is the field that led to it."""
    if checkpoint is not None and checkpoint.metadata.uid == reference.uid:
        return None
    return Never(at_field(path, "the pinned Checkpoint was deleted before the start", reference.checkpoint))


def _of_job(name: str, view: SourceView, own_name: str) -> Waiting | Never | None:
    path = f"{_PATH}.trainingJob"
    if name == own_name:
        return Never(at_field(path, "a job can't start from its own checkpoint", name))
    if view.job is None:
        return Waiting(at_field(path, "waiting for a TrainingJob of this name", name))
    waits = _waits_for(view.job, view.circle)
    if waits is not None:
        return Waiting(at_field(path, waits, name), Reason.WAITING_IN_CIRCLE if view.circle else _WAITS)
    if view.job.status is None or view.job.status.latest_checkpoint_ref is None:
        return Never(at_field(path, "that TrainingJob has ended without a checkpoint", name))
    return None


def _waits_for(job: TrainingJob, circle: tuple[str, ...]) -> str | None:
    """Finds what of a job is waited for; None: nothing more can come."""
    if circle:
        return f"waits in a circle ({' -> '.join(circle)}), which ends when one of these jobs is deleted"
    if not _has_ended(job):
        return "waiting for that TrainingJob to end"
    return "waiting for the objects of that TrainingJob's last checkpoints" if _lacks_checkpoints(job) else None


def _has_ended(job: TrainingJob) -> bool:
    conditions = (job.status.conditions if job.status else None) or []
    return any(c.type == ConditionType.SUCCEEDED and c.status != "Unknown" for c in conditions)


def _lacks_checkpoints(job: TrainingJob) -> bool:
    """Tells whether objects of its checkpoints were refused when it ended: they are still tried."""
    conditions = (job.status.conditions if job.status else None) or []
    return any(c.type == ConditionType.DEGRADED and c.reason == Reason.CHECKPOINT_REFUSED for c in conditions)


def _digest_if_ready(checkpoint: Checkpoint) -> str | None:
    status = checkpoint.status
    if status is None or checkpoint.metadata.deletion_timestamp is not None:
        return None
    ready = any(c.type == ConditionType.READY and c.status == "True" for c in status.conditions or [])
    return status.digest if ready else None

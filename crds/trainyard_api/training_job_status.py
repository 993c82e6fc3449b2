"""What is reported back: the status of a TrainingJob.

Place in the data's way: station 11. The trainer pod owns `progress`, which has a module of its own; the operator owns
all else. Everything is bounded. No policy, no I/O.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainyard_api.conditions import Condition
from trainyard_api.fields import ApiModel, Count, Digest, LongText, Money, ObjectName, Time, Uid, Uri
from trainyard_api.progress import Progress
from trainyard_api.rules import ListMap, Rule, never_falls, stored_up_to
from trainyard_api.termination import CommittedCheckpoint

MAX_PODS = 256
"""Most pods of one job whose cost can be open, or settled and remembered, at a time."""


class LocalReference(ApiModel):
    """An object of the same namespace."""

    name: ObjectName
    """Name of the object."""


class PodReference(ApiModel):
    """The pod whose reports count."""

    name: ObjectName
    """Name of the pod."""
    uid: Uid
    """uid of the pod; only a token bound to it may write progress."""


class JobReference(ApiModel):
    """The batch/v1 Job of an attempt."""

    name: ObjectName
    """Name of the Job."""
    uid: Uid
    """uid of the Job; only pods that it made are this job's."""


class ModelReference(ApiModel):
    """A checkpoint that the job needs, pinned for its whole life."""

    checkpoint: ObjectName
    """Name of the Checkpoint."""
    uid: Uid
    """uid of the Checkpoint object."""
    digest: Digest
    """Digest of its manifest; the trainer refuses other files."""


class OpenPod(ApiModel):
    """A pod that costs money now, or has ended and isn't booked yet."""

    uid: Uid
    """uid of the pod."""
    name: ObjectName
    """Name of the pod."""
    bound_time: Time
    """When it was bound to a node; billing begins."""
    end_time: Time | None = None
    """When its last container ended, as far as is known by when it was first seen ended; billing goes no further."""
    rate_per_hour_usd: Money
    """Its price per hour in US dollars, fixed when it was bound."""


class SettledPod(ApiModel):
    """A pod whose cost is in `settledUSD`, while its object exists or the ledger lacks its row."""

    uid: Uid
    """uid of the pod."""
    name: ObjectName | None = None
    """Name of the pod; present until the ledger has its row, as are the three below."""
    bound_time: Time | None = None
    """When it was bound to a node."""
    end_time: Time | None = None
    """When billing ended."""
    rate_per_hour_usd: Money | None = None
    """Its price per hour in US dollars."""


class Cost(ApiModel):
    """What the job has cost, computed by the operator alone."""

    rules: ClassVar[tuple[Rule, ...]] = (never_falls("spent_usd"), never_falls("settled_usd"))

    spent_usd: Money | None = None
    """US dollars spent so far, settled and running; a high-water mark."""
    settled_usd: Money | None = None
    """US dollars of the pods that have ended and are booked."""
    rate_per_hour_usd: Money | None = None
    """US dollars per hour that the open pods cost together."""
    dropped_usd: Money | None = None
    """US dollars, of `settledUSD`, for work that stops dropped and that was done again; as its pods have said."""
    projected_usd: Money | None = None
    """US dollars at the end, if the rest goes as fast as the latest step."""
    open_pods: Annotated[list[OpenPod], stored_up_to(MAX_PODS), ListMap("uid")] | None = None
    """Pods that cost money now."""
    settled_pods: Annotated[list[SettledPod], stored_up_to(MAX_PODS), ListMap("uid")] | None = None
    """Pods already booked whose objects still exist."""


class StopRecord(ApiModel):
    """The latest request to stop."""

    cause: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]*$", max_length=63)]
    """Deleted, Cancelled or Suspended."""
    time: Time
    """When it was decided."""
    attempt: Count
    """The attempt that was told to stop."""


class AttemptEnding(ApiModel):
    """How an attempt ended; it stands, whatever becomes of the evidence."""

    reason: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]*$", max_length=63)]
    """The cause in a word."""
    message: LongText = ""
    """What a person should know."""
    time: Time
    """When the operator saw it."""
    success: bool = False
    """The work is done."""
    final: bool = False
    """Another attempt would end the same way."""
    counts: bool = False
    """Counts against spec.retry.maxRestarts."""
    step: Count | None = None
    """Finished steps that its pod had reported."""
    committed_uri: Uri | None = None
    """Folder of the checkpoint that it named last."""
    committed: CommittedCheckpoint | None = None
    """The same with all that the ledger's row holds, where it said so."""


class AttemptRecord(ApiModel):
    """What must outlive the pods of an attempt."""

    number: Count
    """Which attempt this is about, from 1."""
    job_ref: JobReference | None = None
    """Its batch/v1 Job, once that was seen."""
    trainer_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$", max_length=64)] | None = None
    """Digest of what spec.trainer held besides defaults when the Job was made."""
    first_start_time: Time | None = None
    """When a trainer of this TrainingJob first started, in whichever attempt."""
    ending: AttemptEnding | None = None
    """How it ended; absent while it goes on."""


class Restarts(ApiModel):
    """What is counted of attempts that ended before the work was done."""

    attempt: Count = 0
    """The newest attempt that is counted here."""
    crashes: Count = 0
    """Crashes since the newest checkpoint; spec.retry.maxRestarts bounds them."""
    interruptions: Count = 0
    """Ends that were nobody's fault, as preemptions, since the newest checkpoint; at most 100."""
    in_a_row: Count = 0
    """Ends of either kind since the newest checkpoint; each doubles the pause before the next attempt."""
    checkpoint_uri: Uri | None = None
    """The newest checkpoint when this was counted."""
    out_of_memory_step: Count | None = None
    """Finished steps when the container last used too much memory, since the newest checkpoint."""
    next_time: Time | None = None
    """When the next attempt may begin."""
    held_for: Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$", max_length=64)] | None = None
    """Digest of what spec.trainer and spec.retry hold besides defaults, while the job is held until one is edited."""
    held_generation: Count | None = None
    """metadata.generation that was last looked at while the job is held: the same one is no edit."""
    held_reason: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]*$", max_length=63)] | None = None
    """Why it is held."""


class BudgetStatus(ApiModel):
    """The budget that counts now."""

    limit_usd: Money
    """US dollars that the job may cost."""
    source: Literal["Spec"]
    """Where the limit comes from."""


class TrainingJobStatus(ApiModel):
    """Observed state of a TrainingJob."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(oldSelf.cost) || has(self.cost) || (!has(oldSelf.cost.spentUSD) && !has(oldSelf.cost.settledUSD))",
            "may not vanish",
            field="cost",
        ),
        Rule(
            "!has(oldSelf.cancelTime) || (has(self.cancelTime) && self.cancelTime == oldSelf.cancelTime)",
            "may not change or vanish",
            field="cancel_time",
        ),
    )

    conditions: Annotated[list[Condition], stored_up_to(32), ListMap("type")] | None = None
    """Latest observations; Succeeded sums the job up."""
    observed_generation: Count | None = None
    """metadata.generation that the operator has acted on."""
    attempts: Count | None = None
    """Number of the newest attempt; written before its Job is made."""
    attempt: AttemptRecord | None = None
    """What is on record of the newest attempt."""
    restarts: Restarts | None = None
    """What is counted of attempts that ended too early."""
    stop: StopRecord | None = None
    """The latest request to stop."""
    cancel_time: Time | None = None
    """When spec.cancel was first seen true; the job never runs again."""
    job_ref: LocalReference | None = None
    """The batch/v1 Job of the newest attempt."""
    pod_ref: PodReference | None = None
    """The pod whose reports count."""
    model_ref: ModelReference | None = None
    """The checkpoint that the job starts from."""
    baseline_ref: ModelReference | None = None
    """The checkpoint that an evaluation is compared with."""
    start_time: Time | None = None
    """When the first attempt was started."""
    completion_time: Time | None = None
    """When Succeeded left Unknown."""
    cleared_time: Time | None = None
    """When the last attempt's Job, pod and rights were removed, some time after the end."""
    progress: Progress | None = None
    """Written by the trainer pod."""
    cost: Cost | None = None
    """What the job has cost."""
    budget: BudgetStatus | None = None
    """The budget that counts now."""
    latest_checkpoint_ref: LocalReference | None = None
    """The Checkpoint with the highest step."""
    best_checkpoint_ref: LocalReference | None = None
    """The Checkpoint of the best validation."""

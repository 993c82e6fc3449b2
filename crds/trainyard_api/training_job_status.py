"""What is reported back: the status of a TrainingJob.

Place in the data's way: station 11. The trainer pod owns `progress`, which has a module of its own; the operator owns
all else. Everything is bounded. No policy, no I/O.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainyard_api.conditions import Condition
from trainyard_api.fields import ApiModel, Count, Digest, Money, ObjectName, Time, Uid
from trainyard_api.progress import Progress
from trainyard_api.rules import ListMap, Rule, never_falls

MAX_PODS = 16
"""Most pods of one job whose cost can be open or freshly settled at a time."""


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
    """A pod whose cost has been booked and whose object may still exist."""

    uid: Uid
    """uid of the pod."""


class Cost(ApiModel):
    """What the job has cost, computed by the operator alone."""

    rules: ClassVar[tuple[Rule, ...]] = (never_falls("spent_usd"), never_falls("settled_usd"))

    spent_usd: Money | None = None
    """US dollars spent so far, settled and running; a high-water mark."""
    settled_usd: Money | None = None
    """US dollars of the pods that have ended and are booked."""
    rate_per_hour_usd: Money | None = None
    """US dollars per hour that the open pods cost together."""
    projected_usd: Money | None = None
    """US dollars at the end, if the rest goes as fast as the latest step."""
    open_pods: Annotated[list[OpenPod], Field(max_length=MAX_PODS), ListMap("uid")] | None = None
    """Pods that cost money now."""
    settled_pods: Annotated[list[SettledPod], Field(max_length=MAX_PODS), ListMap("uid")] | None = None
    """Pods already booked whose objects still exist."""


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
    )

    conditions: Annotated[list[Condition], Field(max_length=16), ListMap("type")] | None = None
    """Latest observations; Succeeded sums the job up."""
    observed_generation: Count | None = None
    """metadata.generation that the operator has acted on."""
    attempts: Count | None = None
    """Trainer pods started for this job, counting those of finished attempts."""
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

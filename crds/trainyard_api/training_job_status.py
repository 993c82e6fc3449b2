"""What is reported back: the status of a TrainingJob.

Place in the data's way: station 11. The trainer pod owns `progress`; the operator owns all else. Everything is bounded;
measured numbers are decimal strings. No policy, no I/O.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainyard_api.conditions import Condition
from trainyard_api.fields import ApiModel, Digest, LongText, Money, ObjectName, ObservedDecimal, Time, Uid, Uri
from trainyard_api.rules import ListMap, Rule, never_falls

MAX_PODS = 16
"""Most pods of one job whose cost can be open or freshly settled at a time."""

Count = Annotated[int, Field(ge=0, le=2**53)]


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


class ReportedCheckpoint(ApiModel):
    """A checkpoint that the pod has committed."""

    step: Count
    """Finished steps it contains."""
    uri: Uri
    """Folder of its files."""
    digest: Digest
    """Digest of its manifest."""


class Verdict(StrEnum):
    """What may be concluded from a measurement before and one after."""

    IMPROVED = "Improved"
    NO_EVIDENCE = "NoEvidence"
    WORSE = "Worse"
    TOO_FEW_QUERIES = "TooFewQueries"


class Measurement(ApiModel):
    """How one state of a policy answers the test questions."""

    success_rate: ObservedDecimal
    """Share of right answers, from 0 to 1."""
    avg_reward: ObservedDecimal | None = None
    """Mean reward."""
    avg_steps: ObservedDecimal | None = None
    """Mean number of the policy's turns."""
    tool_accuracy: ObservedDecimal | None = None
    """Share of tool calls that succeeded; absent without calls."""
    failed: Count = 0
    """Answers that could not be scored; they count nowhere else."""


class ReportedEvaluation(ApiModel):
    """Success on the test questions, and whether it changed; also the evaluation of a Checkpoint."""

    questions: Count
    """Number of questions."""
    before: Measurement | None = None
    """Of the state before the first step, or of the baseline."""
    after: Measurement | None = None
    """Of the state after the last step."""
    difference: ObservedDecimal | None = None
    """Rise of the success rate."""
    interval_low: ObservedDecimal | None = None
    """Lower end of the paired bootstrap interval of the difference, 95 %."""
    interval_high: ObservedDecimal | None = None
    """Upper end of the same interval."""
    p_value: ObservedDecimal | None = None
    """Probability of a difference at least as large if there were none."""
    test: Literal["McNemar", "SignFlip"] | None = None
    """Exact McNemar with one sample per question, else a sign-flip permutation test."""
    verdict: Verdict | None = None
    """Improved, NoEvidence, Worse or TooFewQueries, at the level of 5 %."""


class ReportedValidation(ApiModel):
    """Success on the validation questions while training goes on."""

    step: Count
    """Finished steps at the latest validation."""
    success_rate: ObservedDecimal
    """Share of right answers at the latest validation."""
    best_step: Count
    """Finished steps at the best validation so far."""
    best_success_rate: ObservedDecimal
    """Share of right answers at the best validation so far."""


class ReportedSampler(ApiModel):
    """How rollouts are sampled."""

    kind: Literal["Slots", "WholeBatch"]
    """Slots: the decode loop with shared prompts and refill. WholeBatch: the fallback for models that it gets wrong."""
    message: LongText = ""
    """What the self-check at load measured."""


class Progress(ApiModel):
    """What the trainer pod reports; nobody else writes it."""

    phase: Annotated[str, Field(max_length=63)] | None = None
    """What the pod is doing: loading, evaluation, rollout, update k of n, validation, saving or done."""
    step: Count | None = None
    """Finished steps."""
    steps: Annotated[str, Field(pattern=r"^[0-9]+/[0-9]+$", max_length=32)] | None = None
    """Finished steps of all steps, as 31/60."""
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """Finished share of the steps, in percent, rounded down."""
    reward: ObservedDecimal | None = None
    """Mean reward of the latest step's trajectories."""
    loss: ObservedDecimal | None = None
    """Loss of the latest update."""
    tokens_per_second: Count | None = None
    """Tokens sampled (GRPO) or trained on (SFT) per second of the latest step."""
    estimated_remaining_seconds: Count | None = None
    """Seconds to the end at the latest speed."""
    evaluation: ReportedEvaluation | None = None
    """Success on the test questions."""
    validation: ReportedValidation | None = None
    """Success on the validation questions."""
    sampler: ReportedSampler | None = None
    """How rollouts are sampled."""
    last_checkpoint: ReportedCheckpoint | None = None
    """Newest committed checkpoint."""
    best_checkpoint: ReportedCheckpoint | None = None
    """Committed checkpoint of the best validation."""
    save_seconds: ObservedDecimal | None = None
    """Seconds that this pod's newest checkpoint took to save, from the copy of the weights to the ledger's row."""
    last_report_time: Time | None = None
    """When the pod wrote this."""


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

"""What a trainer pod reports of itself: steps, measurements, checkpoints.

Place in the data's way: station 11, from the pod to its TrainingJob's status. Everything is bounded; measured numbers
are decimal strings. No policy, no I/O.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from trainyard_api.fields import ApiModel, Count, Digest, LongText, ObservedDecimal, Time, Uri


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

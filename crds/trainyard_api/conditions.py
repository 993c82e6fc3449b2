"""Condition types and the closed list of their reasons.

Place in the data's way: station 11. `Succeeded` sums a job up: Unknown while work may still go on, then True or False
for ever. Names are states, not transitions. Nothing here decides which condition holds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from trainyard_api.fields import ApiModel, LongText, Time


class ConditionType(StrEnum):
    """Types of the conditions on TrainingJob and Checkpoint."""

    SUCCEEDED = "Succeeded"
    """The job as a whole."""
    FINISHED = "Finished"
    """The job has ended, well or not: what scripts wait for."""
    SUSPENDED = "Suspended"
    """The job is held by spec.suspend and no pod of it runs."""
    COST_KNOWN = "CostKnown"
    """The operator has a price for what the job uses."""
    MODEL_AVAILABLE = "ModelAvailable"
    """The checkpoint that the job starts from has been found and pinned."""
    BASELINE_AVAILABLE = "BaselineAvailable"
    """The checkpoint that an evaluation is compared with has been found and pinned."""
    SAMPLER_VERIFIED = "SamplerVerified"
    """The trainer's decode loop agrees with the model; if not, rollouts are sampled by a slower one that does."""
    STOP_GRACE_SUFFICIENT = "StopGraceSufficient"
    """A stopped pod has more than twice the time that its newest checkpoint took to save."""
    CHECKPOINT_STORED = "CheckpointStored"
    """At least one checkpoint of this job is a Checkpoint object."""
    DEGRADED = "Degraded"
    """Something stands in the way that may still resolve."""
    RECONCILING = "Reconciling"
    """kstatus: the operator is still working towards the spec."""
    STALLED = "Stalled"
    """kstatus: the job ended without what was asked; the reason is the specific cause."""
    READY = "Ready"
    """Checkpoint: its files are committed and it may be used."""


class Reason(StrEnum):
    """Every reason that a condition or an event may carry, besides the trainer's `TerminationReason`."""

    # Succeeded
    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    EARLY_STOPPED = "EarlyStopped"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    SUSPENDED = "Suspended"
    RESTARTING = "Restarting"
    # Finished, Suspended
    IN_PROGRESS = "InProgress"
    NOT_SUSPENDED = "NotSuspended"
    # CostKnown
    PRICED = "Priced"
    NO_PRICE = "NoPrice"
    # ModelAvailable
    PINNED = "Pinned"
    FROM_SPEC = "FromSpec"
    WAITING_FOR_CHECKPOINT = "WaitingForCheckpoint"
    WAITING_IN_CIRCLE = "WaitingInCircle"
    CHECKPOINT_UNAVAILABLE = "CheckpointUnavailable"
    # SamplerVerified
    SELF_CHECK_PASSED = "SelfCheckPassed"
    WHOLE_BATCH_FALLBACK = "WholeBatchFallback"
    # StopGraceSufficient
    SAVES_IN_TIME = "SavesInTime"
    GRACE_TOO_SHORT = "GraceTooShort"
    # CheckpointStored
    STORED = "Stored"
    NONE_YET = "NoneYet"
    # Degraded, Reconciling, Stalled
    AS_EXPECTED = "AsExpected"
    NAME_CONFLICT = "NameConflict"
    START_REFUSED = "StartRefused"
    DATABASE_UNAVAILABLE = "DatabaseUnavailable"
    CHECKPOINT_REFUSED = "CheckpointRefused"
    CLAIM_REFUSED = "ClaimRefused"
    ROWS_UNWRITTEN = "RowsUnwritten"
    UNSCHEDULABLE = "Unschedulable"
    POD_REFUSED = "PodRefused"
    DELETION_OVERDUE = "DeletionOverdue"
    RESTARTS_EXHAUSTED = "RestartsExhausted"
    INTERRUPTIONS_EXHAUSTED = "InterruptionsExhausted"
    TOO_MANY_PODS = "TooManyPods"
    INVALID_SPEC = "InvalidSpec"
    # why an attempt ended, as the operator saw it
    IMAGE_UNAVAILABLE = "ImageUnavailable"
    SECRET_UNAVAILABLE = "SecretUnavailable"
    START_DEADLINE_EXCEEDED = "StartDeadlineExceeded"
    REJECTED = "Rejected"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    STORAGE_EXCEEDED = "StorageExceeded"
    STOPPED_UNSAVED = "StoppedUnsaved"
    INTERRUPTED = "Interrupted"
    DISRUPTED = "Disrupted"
    OUT_OF_MEMORY = "OutOfMemory"
    TRAINER_CRASHED = "TrainerCrashed"
    POD_LOST = "PodLost"
    RESULT_MISSING = "ResultMissing"
    # Ready
    COMMITTED = "Committed"
    IMPORTED = "Imported"
    # events only
    ATTEMPT_STARTED = "AttemptStarted"
    CHECKPOINT_CREATED = "CheckpointCreated"
    SPEND_SETTLED = "SpendSettled"


class Condition(ApiModel):
    """One observation of an object's state, as in the Kubernetes API conventions."""

    type: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]*$", max_length=63)]
    """Type of the condition."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]*$", max_length=63)]
    """A CamelCase word for the cause."""
    message: LongText = ""
    """What a person should know; names the field and the value where one is at fault."""
    last_transition_time: Time
    """When the status of this condition last changed."""
    observed_generation: Annotated[int, Field(ge=0, le=2**53)] | None = None
    """metadata.generation that the condition was computed from."""

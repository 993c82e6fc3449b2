"""What a pass has seen and what it will do: the types between observing, deciding and acting.

Place in the data's way: station 2. Frozen data only. `observe.py` fills `Observed`, `reconcile.py` turns it into a
`Plan`, `apply.py` carries the plan out in the order of its actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from trainyard_api.checkpoint import Checkpoint
from trainyard_api.conditions import ConditionType
from trainyard_api.kind import ObjectMeta
from trainyard_api.training_job import TrainingJob
from trainyard_api.training_job_spec import TrainingJobSpec
from trainyard_api.training_job_status import OpenPod, TrainingJobStatus
from trainyard_operator.checkpoint.claims import ClaimsReview, review
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.trainingjob.model_source import SourceView


@dataclass(frozen=True)
class ChildView:
    """The batch/v1 Job of the current attempt, or a stranger's Job of that name."""

    name: str
    uid: str
    ours: bool
    """Controlled by this very TrainingJob."""
    deleting: bool = False
    finished: bool = False
    """Has the condition Complete or Failed."""
    run_config: tuple[str, str] | None = None
    """Name and text of the ConfigMap that it mounts."""


@dataclass(frozen=True)
class Observed:
    """A TrainingJob and everything around it at one moment; the job was read first, all else after it."""

    job: TrainingJob
    raw_status: Mapping[str, Any]
    child: ChildView | None = None
    pods: tuple[PodView, ...] = ()
    """Every pod of this run."""
    node_labels: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    """Pod uid → labels of its node, for pods that have just been bound; None where nodes may not be read."""
    checkpoints: tuple[Checkpoint, ...] = ()
    """Checkpoint objects of this run."""
    claims: tuple[Claim, ...] | None = ()
    """The run's rows; None: the ledger couldn't be read."""
    source: SourceView = field(default_factory=SourceView)
    """What spec.model.checkpoint leads to, while it isn't pinned."""
    pinned: Checkpoint | None = None
    """The pinned Checkpoint, while no attempt has begun."""
    baseline: Checkpoint | None = None
    """The Checkpoint that spec.evaluation.baseline names, or the one that is pinned, while no attempt has begun."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """Checkpoint URI, or name of a child Job → why it couldn't be made in an earlier pass."""
    namespace_terminating: bool = False

    @property
    def metadata(self) -> ObjectMeta:
        """The job's metadata."""
        return self.job.metadata

    @property
    def spec(self) -> TrainingJobSpec:
        """What is asked for."""
        return self.job.spec

    @property
    def status(self) -> TrainingJobStatus:
        """What was reported last."""
        return self.job.status or TrainingJobStatus()

    @property
    def attempt(self) -> int:
        """Number of the current attempt, from 1, whether it has begun or not."""
        return max(1, self.status.attempts or 0)

    def reported(self, kind: ConditionType) -> Mapping[str, Any]:
        """A condition as it was last written; empty where it never was."""
        return next((c for c in self.raw_status.get("conditions") or [] if c["type"] == kind), {})

    def review_claims(self) -> ClaimsReview:
        """What follows from the run's claims; from no claim where the ledger couldn't be read."""
        return review(
            self.claims or (),
            self.checkpoints,
            self.spec.checkpoints.storage,
            namespace=self.metadata.namespace,
            job=self.metadata.name,
            job_uid=self.metadata.uid,
            attempts=self.attempt,
        )


@dataclass(frozen=True)
class AddFinalizer:
    """Keep the TrainingJob until it is settled."""


@dataclass(frozen=True)
class RemoveFinalizer:
    """Let the TrainingJob go."""


@dataclass(frozen=True)
class StartAttempt:
    """Ledger rows, access, child Job, run config, in this order; each step may find itself done."""

    attempt: int


@dataclass(frozen=True)
class EnsureRunConfig:
    """Make the ConfigMap that the child Job mounts, if it isn't there."""

    child: ChildView


@dataclass(frozen=True)
class DeleteChild:
    """Stop the attempt: pods get SIGTERM and their grace."""

    child: ChildView


@dataclass(frozen=True)
class BookSpend:
    """Write an ended pod's row."""

    pod: OpenPod
    amount: Decimal
    required: bool = True
    """Whether the pass fails where the ledger is away."""


@dataclass(frozen=True)
class ReleasePod:
    """Take our finalizer off a pod."""

    pod: PodView


@dataclass(frozen=True)
class StoreCheckpoint:
    """Make the Checkpoint object of a claim, if it isn't there, and fill its status."""

    claim: Claim
    required: bool = True
    """Whether a refusal is tried again by a later pass."""


@dataclass(frozen=True)
class EndRun:
    """Write into the ledger why the run has ended."""

    reason: str
    required: bool = True
    """Whether the pass fails where the ledger is away."""


@dataclass(frozen=True)
class CopyEvaluation:
    """Write what the trainer measured onto the Checkpoint that it measured, if that is still there."""

    checkpoint: str
    evaluation: Mapping[str, Any]


Action = (
    AddFinalizer
    | RemoveFinalizer
    | StartAttempt
    | EnsureRunConfig
    | DeleteChild
    | BookSpend
    | ReleasePod
    | StoreCheckpoint
    | CopyEvaluation
    | EndRun
)


@dataclass(frozen=True)
class EventNote:
    """An event to post after the status is written."""

    reason: str
    note: str
    warning: bool = False


@dataclass(frozen=True)
class Plan:
    """What a pass does: actions in order, then the status, then events."""

    actions: tuple[Action, ...] = ()
    operator_half: Mapping[str, Any] = field(default_factory=dict)
    budget_half: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[EventNote, ...] = ()

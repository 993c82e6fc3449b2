"""What a pass over a TrainingJob has seen.

Place in the data's way: station 2, between observing and deciding. Frozen data only: `observe.py` fills it, decisions
read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from trainyard_api.checkpoint import Checkpoint
from trainyard_api.conditions import ConditionType
from trainyard_api.kind import ObjectMeta
from trainyard_api.termination import parse_termination
from trainyard_api.training_job import TrainingJob
from trainyard_api.training_job_spec import TrainingJobSpec
from trainyard_api.training_job_status import Cost, TrainingJobStatus
from trainyard_operator.checkpoint.claims import ClaimsReview, review
from trainyard_operator.cluster.clock import parse_time
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.money.booking import Account


@dataclass(frozen=True)
class ChildView:
    """The batch/v1 Job of the current attempt, or a stranger's Job of that name."""

    name: str
    uid: str
    ours: bool
    """Controlled by this very TrainingJob."""
    deletion_time: datetime | None = None
    """When its deletion was asked for."""
    finalizers: tuple[str, ...] = ()
    finished: bool = False
    """Has the condition Complete or Failed."""
    failed: bool = False
    """Has the condition Failed."""
    deadline_exceeded: bool = False
    """Failed because its activeDeadlineSeconds had passed."""
    created_time: datetime | None = None
    run_config: tuple[str, str] | None = None
    """Name and text of the ConfigMap that it mounts."""

    @property
    def deleting(self) -> bool:
        """Tells whether its deletion was asked for."""
        return self.deletion_time is not None


@dataclass(frozen=True)
class Refusal:
    """Something that the API server refused to make, or the ledger to take."""

    message: str
    """What was refused, and why."""
    again: datetime
    """When it is tried again."""
    rest: timedelta = timedelta()
    """How long it rests; each refusal in a row may double it."""


@dataclass(frozen=True)
class SourceView:
    """What the reference points at, as observed; None: it isn't there."""

    job: TrainingJob | None = None
    checkpoint: Checkpoint | None = None
    circle: tuple[str, ...] = ()
    """Names of the jobs that wait for each other's checkpoint, from the one that asks to itself; empty: none do."""


@dataclass(frozen=True)
class Observed:
    """A TrainingJob and everything around it at one moment; the job was read first, all else after it."""

    job: TrainingJob
    raw_status: Mapping[str, Any]
    child: ChildView | None = None
    rows_job: ChildView | None = None
    """The Job that writes the rows which the current attempt's last checkpoint carries, or a stranger's of its name."""
    pods: tuple[PodView, ...] = ()
    """Every pod of this run."""
    node_labels: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    """Pod uid → labels of its node, for pods that have just been bound; None where nodes may not be read."""
    checkpoints: tuple[Checkpoint, ...] | None = ()
    """Checkpoint objects of this run; None: not looked at."""
    claims: tuple[Claim, ...] | None = ()
    """The run's rows; None: the ledger couldn't be read, or wasn't asked."""
    source: SourceView = field(default_factory=SourceView)
    """What spec.model.checkpoint leads to, while it isn't pinned."""
    pinned: Checkpoint | None = None
    """The pinned Checkpoint, while no attempt has begun."""
    baseline: Checkpoint | None = None
    """The Checkpoint that spec.evaluation.baseline names, or the one that is pinned, while no attempt has begun."""
    refused_stores: Mapping[str, Refusal] = field(default_factory=dict)
    """Checkpoint URI → why its object couldn't be made in an earlier pass."""
    refused_start: Refusal | None = None
    """Why an earlier pass couldn't make what an attempt needs."""
    refused_rows: Refusal | None = None
    """Why the Job that writes carried rows couldn't be made."""
    refused_ledger: Refusal | None = None
    """Why the ledger takes no row; None: it does, or it is time to try again."""
    refused_claims: Mapping[str, Refusal] = field(default_factory=dict)
    """Checkpoint URI → why the ledger can't take its row."""
    pod_refusal: str = ""
    """Why the Job controller can't make the pod, in its words."""
    namespace_terminating: bool = False
    unreadable: str = ""
    """What this version can't read in the manifest; `job` holds the rest."""

    @property
    def metadata(self) -> ObjectMeta:
        """Returns the job's metadata."""
        return self.job.metadata

    @property
    def spec(self) -> TrainingJobSpec:
        """Returns what is asked for."""
        return self.job.spec

    @property
    def status(self) -> TrainingJobStatus:
        """Returns what was reported last."""
        return self.job.status or TrainingJobStatus()

    @property
    def attempt(self) -> int:
        """Returns the number of the current attempt, from 1, whether it has begun or not."""
        return max(1, self.status.attempts or 0)

    def reported(self, kind: ConditionType) -> Mapping[str, Any]:
        """Finds a condition as it was last written; empty where it never was."""
        return next((c for c in self.raw_status.get("conditions") or [] if c["type"] == kind), {})

    @property
    def trainers(self) -> tuple[PodView, ...]:
        """Lists the pods of the current attempt that train."""
        return tuple(pod for pod in self.pods if pod.attempt == self.attempt and not pod.role)

    @property
    def ledger_up(self) -> bool:
        """Tells whether the ledger could be read, and takes rows as far as is known."""
        return self.claims is not None and self.refused_ledger is None

    @property
    def grace_seconds(self) -> int:
        """Tells how long the pods there are may take to stop; without any, how long the next one may."""
        graces = [pod.grace_seconds for pod in self.pods if not pod.over and pod.grace_seconds is not None]
        return max(graces, default=self.spec.checkpoints.stop_grace_seconds)

    @property
    def account(self) -> Account:
        """Collects what is billed to this job."""
        return Account(
            raw=self.raw_status.get("cost") or {},
            cost=self.status.cost or Cost(),
            pods=self.pods,
            node_labels=self.node_labels,
            grace_seconds=self.grace_seconds,
            remaining_seconds=self._remaining_seconds(),
            dropped_seconds=self._dropped_seconds(),
        )

    def review_claims(self) -> ClaimsReview:
        """Reviews the run's claims; none where the ledger couldn't be read."""
        return review(
            self.claims or (),
            self.checkpoints or (),
            self.spec.checkpoints.storage,
            namespace=self.metadata.namespace,
            job=self.metadata.name,
            job_uid=self.metadata.uid,
            attempts=self.attempt,
        )

    def _remaining_seconds(self) -> int | None:
        """Reads how long the pod says that it goes on; what a former attempt's pod has said doesn't count."""
        progress, known = self.status.progress, self.status.pod_ref
        pod = next((pod for pod in self.pods if known is not None and pod.uid == known.uid), None)
        if progress is None or progress.last_report_time is None or pod is None:
            return None
        fresh = parse_time(progress.last_report_time) >= pod.created_time
        return progress.estimated_remaining_seconds if fresh else None

    def _dropped_seconds(self) -> dict[str, Decimal]:
        """Reads how much of their work pods that were stopped have dropped, by their own word."""
        said = {pod.uid: parse_termination(pod.termination_text) for pod in self.pods if not pod.role}
        return {uid: Decimal(word.dropped_seconds) for uid, word in said.items() if word and word.dropped_seconds}

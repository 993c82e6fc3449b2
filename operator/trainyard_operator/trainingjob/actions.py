"""What a pass over a TrainingJob will do: its actions, and the plan that holds them.

Place in the data's way: station 2. Frozen data only. `reconcile.py` makes a `Plan`, `apply/` carries it out in the
order of its actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainyard_operator.cluster.events import EventNote
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.money.booking import BookSpend
from trainyard_operator.trainingjob.observed import ChildView


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
class Plan:
    """What a pass does: actions in order, then the status, then events."""

    actions: tuple[Action, ...] = ()
    operator_half: Mapping[str, Any] = field(default_factory=dict)
    budget_half: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[EventNote, ...] = ()

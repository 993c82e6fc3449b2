"""What a pass over a TrainingJob will do: its actions, and the plan that holds them.

Place in the data's way: station 2. Frozen data only. `reconcile.py` makes a `Plan`; `apply/applier.py` carries out its
actions by their class, each class in the order of the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar

from trainyard_operator.cluster.events import EventNote
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.money.booking import Spend
from trainyard_operator.trainingjob.decision.observed import ChildView


class ActionClass(IntEnum):
    """When an action is carried out, and what its failure means."""

    SAFETY = 1
    """First; each for itself: none keeps another from being tried, and nothing keeps them."""
    BEFORE = 2
    """Before the status, which says that it is done: a failure ends the pass."""
    AFTER = 3
    """After the status, which must be on record by then: a failure ends the pass."""
    OPTIONAL = 4
    """Last; each for itself, and never in the way of anything."""


class _Action:
    """Gives each action its class."""

    order: ClassVar[ActionClass] = ActionClass.AFTER


@dataclass(frozen=True)
class RecordStop(_Action):
    """Write why the attempt is told to stop, once; the stop doesn't wait for it."""

    order = ActionClass.SAFETY
    cause: str
    attempt: int


@dataclass(frozen=True)
class RecordCancel(_Action):
    """Write that the job was cancelled."""

    order = ActionClass.SAFETY


@dataclass(frozen=True)
class DeleteChild(_Action):
    """Delete the child Job, so that it makes no more pods."""

    order = ActionClass.SAFETY
    child: ChildView


@dataclass(frozen=True)
class DeletePod(_Action):
    """Stop a pod: it gets SIGTERM and its grace."""

    order = ActionClass.SAFETY
    pod: PodView


@dataclass(frozen=True)
class AddFinalizer(_Action):
    """Keep the TrainingJob until it is settled."""

    order = ActionClass.BEFORE


@dataclass(frozen=True)
class BookSpend(_Action):
    """Write the row of a pod whose cost the status holds."""

    order = ActionClass.BEFORE
    spend: Spend


@dataclass(frozen=True)
class BookClaim(_Action):
    """Write the row of the checkpoint that an ended trainer named, where the trainer couldn't."""

    order = ActionClass.BEFORE
    claim: Claim


@dataclass(frozen=True)
class EndRun(_Action):
    """Write into the ledger why the run has ended."""

    order = ActionClass.BEFORE
    reason: str


@dataclass(frozen=True)
class StartAttempt(_Action):
    """Ledger rows, access, child Job, run config, in this order; each step may find itself done."""

    attempt: int


@dataclass(frozen=True)
class WriteRows(_Action):
    """Make the short Job that writes the rows which a checkpoint carries."""

    attempt: int
    uri: str


@dataclass(frozen=True)
class EnsureRunConfig(_Action):
    """Make the ConfigMap that the child Job mounts, if it isn't there."""

    child: ChildView


@dataclass(frozen=True)
class ReleasePod(_Action):
    """Take our finalizer off a pod."""

    pod: PodView


@dataclass(frozen=True)
class RemoveAccess(_Action):
    """Remove the account and the rights of a job's pods."""

    order = ActionClass.BEFORE


@dataclass(frozen=True)
class DeleteTrainingJob(_Action):
    """Delete the TrainingJob itself, as its spec asks for."""


@dataclass(frozen=True)
class BookAtOnce(_Action):
    """Write the last rows of a job that goes, if the ledger can be reached now: there is no later."""

    order = ActionClass.OPTIONAL
    spends: tuple[Spend, ...]
    reason: str


@dataclass(frozen=True)
class StoreCheckpoint(_Action):
    """Make the Checkpoint object of a claim, if it isn't there, and fill its status."""

    order = ActionClass.OPTIONAL
    claim: Claim


@dataclass(frozen=True)
class CopyEvaluation(_Action):
    """Write what the trainer measured onto the Checkpoint that it measured, if that is still there."""

    order = ActionClass.OPTIONAL
    checkpoint: str
    evaluation: Mapping[str, Any]


@dataclass(frozen=True)
class RemoveFinalizer(_Action):
    """Let the TrainingJob go; after everything else."""

    order = ActionClass.OPTIONAL


Action = (
    RecordStop
    | RecordCancel
    | DeleteChild
    | DeletePod
    | AddFinalizer
    | BookSpend
    | BookClaim
    | EndRun
    | StartAttempt
    | EnsureRunConfig
    | WriteRows
    | ReleasePod
    | RemoveAccess
    | DeleteTrainingJob
    | BookAtOnce
    | StoreCheckpoint
    | CopyEvaluation
    | RemoveFinalizer
)


@dataclass(frozen=True)
class Plan:
    """What a pass does: actions before the status, the status, actions after it, then events."""

    actions: tuple[Action, ...] = ()
    operator_half: Mapping[str, Any] = field(default_factory=dict)
    budget_half: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[EventNote, ...] = ()

    def of(self, order: ActionClass) -> tuple[Action, ...]:
        """Picks the actions of one class, in the order of the plan."""
        return tuple(action for action in self.actions if action.order is order)

"""How an attempt can end, as one table: what was seen → the reason, and whether another attempt would make sense.

Place in the data's way: from station 4 back to station 2. The table is data, and `docs/failures.md` is generated from
it; the first row that matches counts. What a person reads about it is composed in `outcome.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from trainyard_api.conditions import Reason
from trainyard_api.termination import ExitCode, TerminationReason


class Sign(StrEnum):
    """What was seen of an attempt besides its exit code."""

    RESULT_MISSING = "no committed checkpoint of this run is named; of an evaluation, no digest of its results"
    EARLY_STOPPED = "the message says that validation no longer improved"
    UNSAVED = "the message says that nothing, or not the last state, was saved"
    UNKNOWN_WORD = "the message names no reason that a trainer may give"
    OUT_OF_MEMORY = "container state OOMKilled"
    OWN_EXCESS = "evicted by the kubelet for using more storage than it may"
    REJECTED = "refused by the kubelet before it started, as for an unhealthy GPU"
    DISRUPTED = "pod condition DisruptionTarget"
    JOB_DEADLINE = "its Job has failed with DeadlineExceeded"
    DELETED = "somebody deleted the pod"
    IMAGE_WAITING = "its image can't be pulled for longer than startDeadlineSeconds"
    SECRET_WAITING = "a Secret or key is missing for longer than startDeadlineSeconds"  # noqa: S105 - a sign, no secret
    NOT_STARTED = "its container hasn't started within startDeadlineSeconds of being bound"
    GONE = "the pod is gone, or was deleted without grace, and left no exit code"


class Finality(StrEnum):
    """When an attempt's end is the job's."""

    NO = "no"
    YES = "yes"
    BEFORE_START = "until a pod of the job has started"
    """A manifest that never worked is mended by its author; one that did meets a passing trouble."""


@dataclass(frozen=True)
class Ending:
    """One row: what is seen and what follows."""

    description: str
    """For people: when this happens, what to do."""
    reason: Reason | TerminationReason | None
    """The cause in a word; None: the word that the trainer gave."""
    exit_code: ExitCode | None = None
    """Matches this exit code only; None: any, or none at all."""
    sign: Sign | None = None
    """Matches only where this was seen."""
    stop_asked: bool | None = None
    """Matches only where a stop was (not) asked for."""
    final: Finality = Finality.NO
    """Whether the job ends with it."""
    counts: bool = False
    """Counts against spec.retry.maxRestarts."""
    success: bool = False
    """The work is done."""


TABLE: Final[tuple[Ending, ...]] = (
    Ending(
        "The trainer says that it is done, but names no committed checkpoint below this run's prefix, or no results.",
        Reason.RESULT_MISSING,
        ExitCode.DONE,
        Sign.RESULT_MISSING,
        counts=True,
    ),
    Ending(
        "Validation no longer improved; the final checkpoint is committed.",
        Reason.EARLY_STOPPED,
        ExitCode.DONE,
        Sign.EARLY_STOPPED,
        success=True,
    ),
    Ending("All steps are done and the final checkpoint is committed.", Reason.COMPLETED, ExitCode.DONE, success=True),
    Ending(
        "The trainer refused to go on but gave no reason of the closed list; its log says more.",
        Reason.TRAINER_CRASHED,
        ExitCode.REFUSED,
        Sign.UNKNOWN_WORD,
        final=Finality.YES,
    ),
    Ending(
        "A mistake in the manifest, the data, the reward or the credentials: the message names the field.",
        None,
        ExitCode.REFUSED,
        final=Finality.YES,
    ),
    Ending(
        "The pod stopped on request before there was anything to save, or its grace was too short: work since the "
        "newest checkpoint is done again.",
        Reason.STOPPED_UNSAVED,
        ExitCode.STOPPED,
        Sign.UNSAVED,
        stop_asked=True,
    ),
    Ending(
        "The pod stopped on request, after a checkpoint.", TerminationReason.STOPPED, ExitCode.STOPPED, stop_asked=True
    ),
    Ending(
        "The pod was told to stop and ended without saving: work since the newest checkpoint is done again. Raise "
        "spec.checkpoints.stopGraceSeconds if the grace was too short.",
        Reason.STOPPED_UNSAVED,
        stop_asked=True,
    ),
    Ending(
        "The container used more than spec.trainer.memory.", Reason.OUT_OF_MEMORY, sign=Sign.OUT_OF_MEMORY, counts=True
    ),
    Ending(
        "The pod used more local storage than it may: raise spec.trainer.ephemeralStorage.",
        Reason.STORAGE_EXCEEDED,
        sign=Sign.OWN_EXCESS,
        counts=True,
    ),
    Ending(
        "The node's kubelet refused the pod, as for an unhealthy GPU or a race for the last one.",
        Reason.REJECTED,
        sign=Sign.REJECTED,
    ),
    Ending(
        "The cluster took the pod away: preemption, eviction, or its node was drained.",
        Reason.DISRUPTED,
        sign=Sign.DISRUPTED,
    ),
    Ending(
        "Its Job's activeDeadlineSeconds had passed; it saved a checkpoint if the grace was long enough.",
        Reason.DEADLINE_EXCEEDED,
        sign=Sign.JOB_DEADLINE,
    ),
    Ending(
        "Somebody else stopped the pod; it saved what it had.", Reason.INTERRUPTED, ExitCode.STOPPED, stop_asked=False
    ),
    Ending("Somebody else deleted the pod; it saved no checkpoint.", Reason.INTERRUPTED, sign=Sign.DELETED),
    Ending(
        "The image of spec.trainer.image can't be pulled: check its name, the registry and its credentials.",
        Reason.IMAGE_UNAVAILABLE,
        sign=Sign.IMAGE_WAITING,
        final=Finality.BEFORE_START,
        counts=True,
    ),
    Ending(
        "A Secret that the manifest names isn't there, or lacks a key: make it, then apply the job under another name.",
        Reason.SECRET_UNAVAILABLE,
        sign=Sign.SECRET_WAITING,
        final=Finality.BEFORE_START,
        counts=True,
    ),
    Ending(
        "The pod was bound to a node but its container didn't start; the pod's events say why.",
        Reason.START_DEADLINE_EXCEEDED,
        sign=Sign.NOT_STARTED,
        final=Finality.BEFORE_START,
        counts=True,
    ),
    Ending(
        "The pod vanished without a word: deleted by force, or its node is gone.",
        Reason.POD_LOST,
        sign=Sign.GONE,
        counts=True,
    ),
    Ending("Anything else, such as an exception or a signal: its log says more.", Reason.TRAINER_CRASHED, counts=True),
)


def classify(exit_code: int | None, signs: frozenset[Sign], *, stop_asked: bool) -> Ending:
    """Finds the row of the table for an attempt that has ended."""
    return next(row for row in TABLE if _matches(row, exit_code, signs, stop_asked=stop_asked))


def rows() -> list[dict[str, str]]:
    """Writes the table as text: one dictionary of equal keys for each row, in order."""
    return [
        {
            "Exit code": "any" if row.exit_code is None else f"{row.exit_code.value} ({row.exit_code.name.lower()})",
            "Seen": "" if row.sign is None else row.sign.value,
            "Stop asked for": {None: "either", True: "yes", False: "no"}[row.stop_asked],
            "Reason": "the trainer's own" if row.reason is None else row.reason.value,
            "Final": Finality.YES.value if row.success else row.final.value,
            "Counts as a crash": "yes" if row.counts else "no",
            "What it means": row.description,
        }
        for row in TABLE
    ]


def _matches(row: Ending, exit_code: int | None, signs: frozenset[Sign], *, stop_asked: bool) -> bool:
    return (
        row.exit_code in {None, exit_code}
        and (row.sign is None or row.sign in signs)
        and row.stop_asked in {None, stop_asked}
    )

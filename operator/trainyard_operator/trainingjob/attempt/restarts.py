"""Whether and when another attempt is made after one that ended before the work was done.

Place in the data's way: from station 4 back to station 3. A crash counts, an interruption doesn't; both pause longer
each time, until a newer checkpoint shows that the job gets on. A job that has used up what it may is held until its
owner changes what it runs with: it has ended for nobody, and its work is kept. Pure.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from trainyard_api.conditions import Reason
from trainyard_api.fields import ApiModel
from trainyard_api.training_job_spec import TrainingJobSpec
from trainyard_api.training_job_status import AttemptEnding, Restarts
from trainyard_operator.cluster.clock import format_time, parse_time
from trainyard_operator.cluster.messages import at_field, bounded
from trainyard_operator.trainingjob.decision.findings import Problem

FIRST_PAUSE: Final = timedelta(seconds=10)
LONGEST_PAUSE: Final = timedelta(minutes=5)
MOST_INTERRUPTIONS: Final = 100


@dataclass(frozen=True)
class Again:
    """Another attempt may begin."""

    counted: Restarts
    message: str = ""
    """Why not yet; empty: now."""


@dataclass(frozen=True)
class Held:
    """No attempt begins until the manifest is changed."""

    counted: Restarts
    problem: Problem


@dataclass(frozen=True)
class End:
    """How an attempt ended that another one may mend."""

    attempt: int
    ending: AttemptEnding
    newest_uri: str | None
    """The run's newest checkpoint; None: it has none."""
    generation: int
    """metadata.generation of the spec that follows."""
    trainer_digest: str | None = None
    """Digest of the spec.trainer that it was made with; None: an earlier version didn't note it."""


def after(end: End, former: Restarts, spec: TrainingJobSpec, now: datetime) -> Again | Held:
    """Decides what follows; where `former` holds this attempt already, nothing is counted twice."""
    attempt, ending = end.attempt, end.ending
    if ending.reason in _ASKED:
        return Again(former.model_copy(update={"attempt": attempt, "next_time": None} | _FREE))
    if former.held_for is not None:
        if former.held_generation == end.generation or former.held_for == digest(spec.trainer, spec.retry):
            # Taken anew: a later version may know more fields, or other defaults.
            still = _hold(former, former.held_reason, end, spec)
            return Held(still, _problem(former.held_reason or "", ending, still, spec))
        # Edited: what it was held for is forgiven.
        return Again(Restarts(attempt=attempt, checkpoint_uri=end.newest_uri))
    counted = former
    if former.attempt != attempt:
        counted = _count(end, former)
        reason = _exhausted(ending, former, counted, spec)
        if reason is not None:
            return _refuse(counted, reason, end, spec)
    if counted.next_time is not None and now < parse_time(counted.next_time):
        return Again(counted, bounded(f"Attempt {attempt + 1} begins at {counted.next_time}: {ending.message}"))
    return Again(counted)


def _refuse(counted: Restarts, reason: Reason, end: End, spec: TrainingJobSpec) -> Again | Held:
    """Holds the job, unless what the attempt ended with is no longer what would run."""
    if end.trainer_digest not in {None, digest(spec.trainer)}:
        return Again(Restarts(attempt=end.attempt, checkpoint_uri=end.newest_uri))
    held = _hold(counted, reason.value, end, spec)
    return Held(held, _problem(reason, end.ending, held, spec))


_FREE: Final = {"held_for": None, "held_generation": None}
_ASKED: Final = frozenset({Reason.STOPPED_UNSAVED.value, "Stopped"})
"""Ends that this operator asked for: nobody's fault, and no reason to wait."""


def _count(end: End, former: Restarts) -> Restarts:
    """Counts an end, from zero again where a newer checkpoint has been committed since the last one."""
    ending, newest_uri = end.ending, end.newest_uri
    got_on = newest_uri is not None and newest_uri != former.checkpoint_uri
    crashes = (0 if got_on else former.crashes) + ending.counts
    in_a_row = (0 if got_on else former.in_a_row) + 1
    memory_step = None if got_on else former.out_of_memory_step
    if ending.reason == Reason.OUT_OF_MEMORY:
        memory_step = ending.step or 0
    pause = _pause(in_a_row if ending.counts else in_a_row - 1)
    return Restarts(
        attempt=end.attempt,
        crashes=crashes,
        interruptions=(0 if got_on else former.interruptions) + (not ending.counts),
        in_a_row=in_a_row,
        checkpoint_uri=newest_uri,
        out_of_memory_step=memory_step,
        next_time=format_time(parse_time(ending.time) + pause),
    )


def _pause(times: int) -> timedelta:
    """Computes the wait: nothing the first time that an attempt was interrupted, then 10 s, doubled to 5 min."""
    if times <= 0:
        return timedelta()
    return min(FIRST_PAUSE * int(2 ** min(times - 1, 10)), LONGEST_PAUSE)


def _exhausted(ending: AttemptEnding, former: Restarts, counted: Restarts, spec: TrainingJobSpec) -> Reason | None:
    """Finds what the job has used up; None: nothing."""
    before = former.out_of_memory_step if former.checkpoint_uri == counted.checkpoint_uri else None
    if ending.reason == Reason.OUT_OF_MEMORY and before is not None and (ending.step or 0) <= before:
        return Reason.OUT_OF_MEMORY
    if counted.crashes > spec.retry.max_restarts:
        return Reason.RESTARTS_EXHAUSTED
    return Reason.INTERRUPTIONS_EXHAUSTED if counted.interruptions > MOST_INTERRUPTIONS else None


def _problem(reason: str, ending: AttemptEnding, counted: Restarts, spec: TrainingJobSpec) -> Problem:
    """Says what it is held for, and which field to edit."""
    said = bounded(ending.message, 500)
    if reason == Reason.OUT_OF_MEMORY:
        rule = f"two attempts ran out of memory at the same step, and a third would too: raise it ({said})"
        return Problem(Reason.OUT_OF_MEMORY, at_field("spec.trainer.memory", rule, spec.trainer.memory))
    if reason == Reason.INTERRUPTIONS_EXHAUSTED:
        rule = f"was interrupted more than {MOST_INTERRUPTIONS} times: edit it, as its nodeSelector ({said})"
        return Problem(Reason.INTERRUPTIONS_EXHAUSTED, at_field("spec.trainer", rule, str(counted.interruptions)))
    times = "once" if counted.crashes == 1 else f"{counted.crashes} times"
    rule = f"the trainer crashed {times} without a newer checkpoint between: raise it, or edit trainer"
    return Problem(
        Reason.RESTARTS_EXHAUSTED,
        at_field("spec.retry.maxRestarts", f"{rule} ({said})", str(spec.retry.max_restarts)),
    )


def _hold(counted: Restarts, reason: str | None, end: End, spec: TrainingJobSpec) -> Restarts:
    """Notes of what is counted why the job is held, and the spec that it is held for."""
    held = {"held_for": digest(spec.trainer, spec.retry), "held_generation": end.generation, "held_reason": reason}
    return counted.model_copy(update=held)


def digest(*parts: ApiModel) -> str:
    """Digests parts of a manifest; a field at its default counts as absent, whoever filled it in."""
    text = json.dumps(
        [part.model_dump(mode="json", by_alias=True, exclude_defaults=True) for part in parts], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]

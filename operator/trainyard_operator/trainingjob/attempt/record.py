"""What must outlive the pods of an attempt: its record in the status.

Place in the data's way: from station 4 back to station 2. The verdict stands here, whatever becomes of the evidence;
conditions only show it. Pure: builders and readers of `status.attempt`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from trainyard_api.training_job_status import AttemptEnding, AttemptRecord, JobReference
from trainyard_operator.cluster.clock import format_time
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.trainingjob.attempt.outcome import Outcome
from trainyard_operator.trainingjob.attempt.restarts import digest
from trainyard_operator.trainingjob.decision.observed import ChildView, Observed


def record_of(observed: Observed) -> AttemptRecord:
    """Reads the record of the current attempt; a fresh one where the status has none of it."""
    former = observed.status.attempt
    if former is not None and former.number == observed.attempt:
        return former
    started = former.first_start_time if former is not None else None
    return AttemptRecord(number=observed.attempt, first_start_time=started)


def begun(observed: Observed) -> AttemptRecord:
    """Notes what the attempt begins with."""
    return record_of(observed).model_copy(update={"trainer_digest": digest(observed.spec.trainer)})


def fresh(observed: Observed, number: int) -> AttemptRecord:
    """Makes the record of an attempt that is announced: of the earlier ones it keeps when the first one started."""
    return AttemptRecord(number=number, first_start_time=record_of(observed).first_start_time)


def ending_of(observed: Observed) -> AttemptEnding | None:
    """Reads how the current attempt ended; None while it goes on."""
    return record_of(observed).ending


def outcome_of(ending: AttemptEnding) -> Outcome:
    """Reads a verdict that an earlier pass has written."""
    return Outcome(
        ending.reason,
        ending.message,
        success=ending.success,
        final=ending.final,
        counts=ending.counts,
        committed_uri=ending.committed_uri,
        committed=ending.committed,
    )


def with_start(record: AttemptRecord, child: ChildView | None, pod: PodView | None, now: datetime) -> AttemptRecord:
    """Notes the Job of the attempt, and when a trainer of this TrainingJob first started."""
    changes: dict[str, Any] = {}
    if record.job_ref is None and child is not None and child.ours:
        changes["job_ref"] = JobReference(name=child.name, uid=child.uid)
    if record.first_start_time is None and pod is not None and pod.started:
        changes["first_start_time"] = format_time(now)
    return record.model_copy(update=changes)


def with_ending(record: AttemptRecord, outcome: Outcome, *, step: int | None, now: datetime) -> AttemptRecord:
    """Puts a verdict on record."""
    ending = AttemptEnding(
        reason=outcome.reason,
        message=outcome.message,
        time=format_time(now),
        success=outcome.success,
        final=outcome.final,
        counts=outcome.counts,
        step=step,
        committed_uri=outcome.committed_uri,
        committed=outcome.committed,
    )
    return record.model_copy(update={"ending": ending})

"""Claims about what is on record of an attempt."""

from __future__ import annotations

from tests.trainyard_operator.builders import (
    NOW,
    at,
    child,
    ended_record,
    observed,
    pod,
    running_status,
    time_text,
)
from trainyard_api.termination import CommittedCheckpoint
from trainyard_api.training_job_status import AttemptRecord
from trainyard_operator.trainingjob.attempt import record
from trainyard_operator.trainingjob.attempt.outcome import Outcome

FRESH = AttemptRecord(number=1)


def test_a_record_is_of_its_attempt_only() -> None:
    """The next one begins with nothing but when a trainer of this job first started."""
    assert record.record_of(observed()) == FRESH
    status = running_status(attempt=ended_record())
    assert record.record_of(observed(status=status)).to_wire()["ending"].items() >= ended_record()["ending"].items()
    later = record.record_of(observed(status=status | {"attempts": 2}))
    assert later == AttemptRecord(number=2, first_start_time=time_text(-90))
    assert record.ending_of(observed(status=status | {"attempts": 2})) is None
    assert record.ending_of(observed(status=running_status())) is None


def test_a_verdict_is_read_as_it_was_written() -> None:
    """All that follows from it, the checkpoint included."""
    committed = CommittedCheckpoint(uri="s3://models/x/", digest="sha256:" + "0" * 64, step=3)
    for outcome in (
        Outcome("Completed", "done", success=True, committed_uri="s3://models/x/", committed=committed),
        Outcome("UnknownTask", "no such task", final=True),
        Outcome("TrainerCrashed", "exit code 1", counts=True),
    ):
        ending = record.with_ending(FRESH, outcome, step=4, now=NOW).ending
        assert ending is not None
        assert record.outcome_of(ending) == outcome
        assert (ending.step, ending.time) == (4, time_text(0))


def test_the_first_start_is_noted_once() -> None:
    """When a container of it ran; the Job by name and uid, once it is seen and is ours."""
    begun = record.with_start(FRESH, child(), pod(started=False), NOW)
    assert (begun.job_ref and begun.job_ref.to_wire(), begun.first_start_time) == (
        {"name": "sums-1", "uid": "child-uid"},
        None,
    )
    started = record.with_start(begun, child(uid="another"), pod(), NOW)
    assert started.first_start_time == time_text(0)
    assert started.job_ref == begun.job_ref
    assert record.with_start(started, None, pod(), at(50)) == started
    assert record.with_start(FRESH, child(ours=False), None, NOW) == FRESH
    assert record.with_start(FRESH, None, None, NOW) == FRESH

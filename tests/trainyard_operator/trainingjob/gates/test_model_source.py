"""Claims about the checkpoint that a job starts from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainyard_operator.builders import NAME, checkpoint, claim, job, reported
from trainyard_api.conditions import Condition, ConditionType
from trainyard_api.model_source import CheckpointSource
from trainyard_api.training_job import TrainingJob
from trainyard_operator.trainingjob.decision.observed import SourceView
from trainyard_operator.trainingjob.gates.model_source import (
    Never,
    Pinned,
    Resolution,
    Waiting,
    checkpoint_name,
    recheck,
    resolve,
)

BY_JOB = CheckpointSource(training_job="first")
BY_NAME = CheckpointSource(name="mine")
READY = checkpoint(claim())


def _other(status: str, reason: str, **fields: Any) -> TrainingJob:
    return job(status={"conditions": [reported(ConditionType.SUCCEEDED, status, reason)], **fields})


ENDED = _other("True", "Completed", latestCheckpointRef={"name": READY.metadata.name})
FAILED = _other("False", "Failed", latestCheckpointRef={"name": READY.metadata.name})


def _resolve(source: CheckpointSource, **view: Any) -> Resolution:
    return resolve(source, SourceView(**view), NAME)


@pytest.mark.parametrize("other", [None, job(), _other("Unknown", "Running", latestCheckpointRef={"name": "x"})])
def test_a_job_that_isnt_there_or_goes_on_is_waited_for(other: TrainingJob | None) -> None:
    """Two manifests may arrive in any order; a checkpoint of a job that goes on isn't its last."""
    found = _resolve(BY_JOB, job=other)
    assert isinstance(found, Waiting)
    assert found.message.startswith("spec.model.checkpoint.trainingJob: ")
    assert found.message.endswith('got "first"')


@pytest.mark.parametrize("other", [ENDED, FAILED])
def test_the_newest_checkpoint_of_an_ended_job_is_pinned(other: TrainingJob) -> None:
    """Even of one that failed: name, uid and digest."""
    assert checkpoint_name(BY_JOB, other) == READY.metadata.name
    found = _resolve(BY_JOB, job=other, checkpoint=READY)
    assert isinstance(found, Pinned)
    assert (found.reference.checkpoint, found.reference.uid) == (READY.metadata.name, "checkpoint-uid")
    assert READY.status is not None
    assert found.reference.digest == READY.status.digest


def test_a_job_that_ended_without_a_checkpoint_never_gives_one() -> None:
    """Then waiting has no sense; nor where its checkpoint was deleted, nor for a job that names itself."""
    assert isinstance(_resolve(BY_JOB, job=_other("False", "Failed")), Never)
    assert isinstance(_resolve(BY_JOB, job=ENDED, checkpoint=None), Never)
    assert isinstance(resolve(CheckpointSource(training_job=NAME), SourceView(), NAME), Never)


def test_a_named_checkpoint_is_waited_for_until_it_is_ready() -> None:
    """Not there, not Ready, ready."""
    assert checkpoint_name(BY_NAME, None) == "mine"
    assert isinstance(_resolve(BY_NAME), Waiting)
    assert isinstance(_resolve(BY_NAME, checkpoint=checkpoint(claim(), ready=False)), Waiting)
    assert isinstance(_resolve(BY_NAME, checkpoint=READY), Pinned)


def test_what_is_pinned_is_that_very_object() -> None:
    """Another of the same name isn't it."""
    found = _resolve(BY_NAME, checkpoint=READY)
    assert isinstance(found, Pinned)
    assert recheck(found.reference, READY) is None
    assert isinstance(recheck(found.reference, None), Never)
    stranger = found.reference.model_copy(update={"uid": "another"})
    assert isinstance(recheck(stranger, READY), Never)


LACKING = _other("True", "Completed", latestCheckpointRef={"name": "x"})
BROKEN = LACKING.model_copy(
    update={
        "status": LACKING.status
        and LACKING.status.model_copy(
            update={
                "conditions": [
                    *(LACKING.status.conditions or []),
                    Condition.model_validate(reported(ConditionType.DEGRADED, "True", "CheckpointRefused")),
                ]
            }
        )
    }
)
MINE, FIRST = "spec.model.checkpoint.name", "spec.model.checkpoint.trainingJob"


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (_resolve(BY_JOB), f'{FIRST}: waiting for a TrainingJob of this name; got "first"'),
        (_resolve(BY_JOB, job=job()), f'{FIRST}: waiting for that TrainingJob to end; got "first"'),
        (
            _resolve(BY_JOB, job=BROKEN),
            f'{FIRST}: waiting for the objects of that TrainingJob\'s last checkpoints; got "first"',
        ),
        (
            _resolve(BY_JOB, job=ENDED),
            f'{FIRST}: that TrainingJob has ended and its Checkpoint was deleted; got "first"',
        ),
        (
            _resolve(BY_JOB, job=_other("False", "Failed")),
            f'{FIRST}: that TrainingJob has ended without a checkpoint; got "first"',
        ),
        (
            resolve(CheckpointSource(training_job=NAME), SourceView(), NAME),
            f'{FIRST}: a job can\'t start from its own checkpoint; got "{NAME}"',
        ),
        (_resolve(BY_NAME), f'{MINE}: waiting for a Checkpoint of this name; got "mine"'),
        (
            _resolve(BY_NAME, checkpoint=checkpoint(claim(), ready=False, name="mine")),
            f'{MINE}: waiting for Checkpoint mine to be Ready; got "mine"',
        ),
        (
            resolve(BY_NAME, SourceView(), NAME, "spec.evaluation.baseline.checkpoint"),
            'spec.evaluation.baseline.checkpoint: waiting for a Checkpoint of this name; got "mine"',
        ),
    ],
)
def test_a_message_says_field_rule_and_value(found: Any, message: str) -> None:
    """Of whatever is waited for or can't come."""
    assert found.message == message


def test_what_is_gone_is_named_by_the_field_that_led_to_it() -> None:
    """The model's, or another."""
    found = _resolve(BY_NAME, checkpoint=READY)
    assert isinstance(found, Pinned)
    name = READY.metadata.name
    for path, never in (
        ("spec.model.checkpoint", recheck(found.reference, None)),
        ("spec.x", recheck(found.reference, None, "spec.x")),
    ):
        assert never == Never(f'{path}: the pinned Checkpoint was deleted before the start; got "{name}"')


def test_only_a_refused_checkpoint_is_waited_for_after_the_end() -> None:
    """By that very condition: another trouble of that job is its own."""
    for kind, reason, waits in (
        (ConditionType.DEGRADED, "CheckpointRefused", True),
        (ConditionType.DEGRADED, "Other", False),
        (ConditionType.STALLED, "CheckpointRefused", False),
    ):
        conditions = [reported(ConditionType.SUCCEEDED, "False", "Failed"), reported(kind, "True", reason)]
        other = job(status={"conditions": conditions, "latestCheckpointRef": {"name": READY.metadata.name}})
        found = _resolve(BY_JOB, job=other, checkpoint=READY)
        assert isinstance(found, Waiting) is waits, reason
    bare = job(status={"conditions": conditions})
    assert isinstance(_resolve(BY_JOB, job=bare), Never)


def test_a_name_is_known_only_when_a_job_has_ended_with_a_checkpoint() -> None:
    """Until then there is nothing to look for."""
    assert checkpoint_name(BY_JOB, ENDED) == READY.metadata.name
    open_job = _other("Unknown", "Running", latestCheckpointRef={"name": "x"})
    for other in (None, job(), open_job, _other("True", "Completed")):
        assert checkpoint_name(BY_JOB, other) is None


def test_waiting_in_a_circle_is_a_reason_of_its_own() -> None:
    """Other waits have the plain one."""
    found = _resolve(BY_JOB, job=job(), circle=("sums", "first", "sums"))
    assert isinstance(found, Waiting)
    assert found.reason == "WaitingInCircle"
    assert "waits in a circle (sums -> first -> sums), which ends when one of these jobs is deleted" in found.message
    plain = _resolve(BY_JOB, job=job())
    assert isinstance(plain, Waiting)
    assert plain.reason == "WaitingForCheckpoint"


def test_a_checkpoint_is_ready_by_that_very_condition() -> None:
    """Not by another that is True, nor while it is being deleted."""
    assert READY.status is not None
    assert READY.status.conditions is not None
    (ready,) = READY.status.conditions
    for changed in (ready.model_copy(update={"type": "Verified"}), ready.model_copy(update={"status": "False"})):
        other = READY.model_copy(update={"status": READY.status.model_copy(update={"conditions": [changed]})})
        assert isinstance(_resolve(BY_NAME, checkpoint=other), Waiting)
    going = READY.metadata.model_copy(update={"deletion_timestamp": "2026-01-02T12:00:00Z"})
    assert isinstance(_resolve(BY_NAME, checkpoint=READY.model_copy(update={"metadata": going})), Waiting)

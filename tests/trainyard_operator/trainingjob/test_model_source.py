"""Claims about the checkpoint that a job starts from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainyard_operator.builders import NAME, checkpoint, claim, job, reported
from trainyard_api.conditions import ConditionType
from trainyard_api.model_source import CheckpointSource
from trainyard_api.training_job import TrainingJob
from trainyard_operator.trainingjob.model_source import (
    Never,
    Pinned,
    Resolution,
    SourceView,
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

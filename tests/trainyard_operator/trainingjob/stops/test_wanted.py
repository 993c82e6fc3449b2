"""Claims about whether a job should run or stop, and why."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from tests.trainyard_operator.builders import observed, running_status, time_text
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.stops.wanted import StopCause, is_cancelled, wanted


def _seen(*, deleted: bool = False, cancel: bool = False, suspend: bool = False) -> Observed:
    return observed(deleted=-1 if deleted else None, spec={"cancel": cancel, "suspend": suspend})


@pytest.mark.parametrize(("deleted", "cancel", "suspend"), list(itertools.product([False, True], repeat=3)))
def test_of_several_causes_the_strongest_counts(deleted: bool, cancel: bool, suspend: bool) -> None:
    """Delete before cancel before suspend; with none the job should run."""
    causes = ((deleted, StopCause.DELETED), (cancel, StopCause.CANCELLED), (suspend, StopCause.SUSPENDED))
    expected = next((cause for holds, cause in causes if holds), None)
    assert wanted(_seen(deleted=deleted, cancel=cancel, suspend=suspend)) is expected


def test_a_manifest_that_says_nothing_runs() -> None:
    """Neither field has a default."""
    assert observed().spec.suspend is None
    assert wanted(observed()) is None


def test_once_cancelled_is_for_ever() -> None:
    """A later false, as a Git repository may put back, changes nothing."""
    latched = running_status(cancelTime=time_text(-60))
    assert is_cancelled(observed(status=latched, spec={"cancel": False}))
    assert wanted(observed(status=latched)) is StopCause.CANCELLED
    assert is_cancelled(_seen(cancel=True))
    assert not is_cancelled(_seen(suspend=True))


def test_in_a_namespace_that_goes_every_job_is_deleted() -> None:
    """Whether its own deletion has come or not."""
    assert wanted(replace(_seen(cancel=True), namespace_terminating=True)) is StopCause.DELETED

"""Claims about the conditions that sum a job up."""

from __future__ import annotations

from tests.trainyard_operator.builders import observed, reported, running_status
from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.trainingjob.outcome import Outcome
from trainyard_operator.trainingjob.summary import summarise

CRASHED = Outcome("TrainerCrashed", "exit code 1")


def _summary(*conditions: dict, status: bool | None, verdict: Outcome | None = None) -> dict[str, tuple]:
    seen = observed(status=running_status(*conditions))
    found = summarise(seen, status, Reason.RUNNING, "on its way", verdict)
    return {each.kind: (each.status, each.reason) for each in found}


def test_a_job_that_goes_on_is_reconciling() -> None:
    """With the reason of the summary; one that has ended isn't."""
    assert _summary(status=None)["Reconciling"] == (True, "Running")
    assert _summary(status=False)["Reconciling"] == _summary(status=True)["Reconciling"] == (False, "AsExpected")


def test_a_verdict_is_stalled_and_stays() -> None:
    """Its reason is the specific cause; no later summary takes it back."""
    assert _summary(status=None)["Stalled"] == (False, "AsExpected")
    assert _summary(status=None, verdict=CRASHED)["Stalled"] == (True, "TrainerCrashed")
    assert "Stalled" not in _summary(reported(ConditionType.STALLED, "True", "TrainerCrashed"), status=None)

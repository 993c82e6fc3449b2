"""Claims about the status of a TrainingJob."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from trainyard_api.training_job_status import MAX_PODS, Cost, TrainingJobStatus
from trainyard_api.validation import explain

TIME = "2026-01-02T03:04:05Z"


def _pod(number: int) -> dict[str, str]:
    return {"uid": f"uid-{number}", "name": f"pod-{number}", "boundTime": TIME, "ratePerHourUSD": "1.5"}


def test_a_pod_is_billed_once() -> None:
    """By its uid: two entries of one pod are refused, and so are more than the status can hold."""
    full = [_pod(number) for number in range(MAX_PODS)]
    assert len(Cost.model_validate({"openPods": full}).open_pods or ()) == MAX_PODS
    for pods, rule in (([_pod(1), _pod(1)], "must differ in uid"), ([*full, _pod(99)], f"at most {MAX_PODS} items")):
        with pytest.raises(ValidationError) as caught:
            Cost.model_validate({"openPods": pods})
        assert rule in explain(caught.value)[0]


def test_money_is_never_a_float() -> None:
    """Not even where a number would do."""
    with pytest.raises(ValidationError) as caught:
        Cost.model_validate({"spentUSD": 1.5})
    assert explain(caught.value) == ["spentUSD: must be a string (quote it); got 1.5"]


def test_a_status_of_a_newer_operator_is_read() -> None:
    """What this version doesn't know is left out."""
    status = TrainingJobStatus.model_validate({"attempts": 2, "novel": {"cause": "Budget"}})
    assert status.to_wire() == {"attempts": 2}

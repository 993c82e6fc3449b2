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
    """By its uid: two entries of one pod are refused."""
    with pytest.raises(ValidationError) as caught:
        Cost.model_validate({"openPods": [_pod(1), _pod(1)]})
    assert "must differ in uid" in explain(caught.value)[0]


def test_a_list_that_is_stored_under_a_later_bound_is_read_in_full() -> None:
    """A pod that isn't read would be billed again; what is written is bounded by the schema."""
    pods = [_pod(number) for number in range(MAX_PODS + 1)]
    found = {"type": "T", "status": "True", "reason": "R", "lastTransitionTime": TIME}
    conditions = [found | {"type": f"T{'t' * number}"} for number in range(33)]
    status = {"cost": {"openPods": pods, "settledPods": pods}, "conditions": conditions}
    assert TrainingJobStatus.model_validate(status).to_wire() == {
        "cost": {"openPods": pods, "settledPods": pods},
        "conditions": [each | {"message": ""} for each in conditions],
    }
    schema = TrainingJobStatus.model_json_schema(by_alias=True)
    lists = [schema["$defs"]["Cost"]["properties"][name] for name in ("openPods", "settledPods")]
    bounds = [part["maxItems"] for each in [*lists, schema["properties"]["conditions"]] for part in each["anyOf"][:1]]
    assert bounds == [MAX_PODS, MAX_PODS, 32]


def test_money_is_never_a_float() -> None:
    """Not even where a number would do."""
    with pytest.raises(ValidationError) as caught:
        Cost.model_validate({"spentUSD": 1.5})
    assert explain(caught.value) == ["spentUSD: must be a string (quote it); got 1.5"]


def test_a_status_of_a_newer_operator_is_read() -> None:
    """What this version doesn't know is left out."""
    status = TrainingJobStatus.model_validate({"attempts": 2, "novel": {"cause": "Budget"}})
    assert status.to_wire() == {"attempts": 2}

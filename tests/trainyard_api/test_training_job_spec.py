"""Claims about the spec as a whole: what its parts demand of each other."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.contract import bases
from tests.contract.cel_breaks import changed
from trainyard_api.training_job_spec import TrainingJobSpec
from trainyard_api.validation import explain


def spec(**changes: Any) -> dict[str, Any]:
    """The smallest spec, changed at dotted places whose dots are written as `__`."""
    places = {f"spec.{place.replace('__', '.')}": value for place, value in changes.items()}
    return dict(changed(bases.example("minimal"), places)["spec"])


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"algorithm": {"type": "Evaluation"}, "evaluation": {}},
            "evaluation.baseline: must be set exactly when algorithm.type is Evaluation; got nothing",
        ),
        (
            {"algorithm": {"type": "Evaluation"}, "evaluation": {"baseline": {"checkpoint": "a"}, "validation": {}}},
            (
                "evaluation.validation: may not be set where algorithm.type is Evaluation, which measures once; "
                'got {"everySteps": 10, "questions": 128}'
            ),
        ),
        ({"budget__maxCostUSD": "0.00"}, 'budget.maxCostUSD: must be greater than 0; got "0.00"'),
    ],
)
def test_parts_fit_each_other(changes: dict[str, Any], line: str) -> None:
    """The fault is told at the member that has to change."""
    with pytest.raises(ValidationError) as caught:
        TrainingJobSpec.model_validate(spec(**changes))
    assert explain(caught.value) == [line]


def test_a_pod_has_the_grace_that_a_save_needs() -> None:
    """Two minutes, and a checkpoint every ten steps, where nothing is said."""
    policy = TrainingJobSpec.model_validate(spec()).checkpoints
    assert (policy.every_steps, policy.stop_grace_seconds) == (10, 120)

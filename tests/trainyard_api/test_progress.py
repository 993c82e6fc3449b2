"""Claims about what a trainer pod reports of itself."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from trainyard_api.progress import Progress, ReportedEvaluation, Verdict
from trainyard_api.validation import explain


@pytest.mark.parametrize(
    ("report", "line"),
    [
        ({"steps": "31 of 60"}, 'steps: must match ^[0-9]+/[0-9]+$; got "31 of 60"'),
        ({"percent": 101}, "percent: must be at most 100; got 101"),
        ({"step": -1}, "step: must be at least 0; got -1"),
        ({"reward": "nan"}, 'reward: must match ^-?[0-9]+(\\.[0-9]+)?$; got "nan"'),
        ({"phase": "x" * 64}, f'phase: must have at most 63 characters; got "{"x" * 64}"'),
    ],
)
def test_a_report_is_bounded(report: dict[str, Any], line: str) -> None:
    """User code runs in that pod, so it may write anything; what is shown is a number, or short."""
    with pytest.raises(ValidationError) as caught:
        Progress.model_validate(report)
    assert explain(caught.value) == [line]


def test_a_verdict_is_absent_before_there_is_one() -> None:
    """And goes to the wire by its word."""
    before = ReportedEvaluation.model_validate({"questions": 8, "before": {"successRate": "0.5"}})
    assert "verdict" not in before.to_wire()
    assert before.model_copy(update={"verdict": Verdict.WORSE}).to_wire()["verdict"] == "Worse"

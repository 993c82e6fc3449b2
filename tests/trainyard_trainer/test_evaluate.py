"""Evaluation asks the same held-out questions before and after, and changes nothing."""

from __future__ import annotations

from tests.trainyard_trainer import small
from tests.trainyard_trainer.small import Outside
from trainyard_trainer.evaluation.evaluate import evaluate

ASKED = {"questions": 40, "temperature": "1.0"}


def test_an_evaluation_repeats_exactly_and_leaves_the_policy_alone() -> None:
    """Same questions, same random streams: an unchanged policy gets the same result."""
    outside = Outside()
    parts = small.parts(outside, small.config(evaluation=ASKED))
    before = parts.policy.snapshot(0, {}).files
    evaluate(parts, outside.outlets(1), 0, "before", 20)
    evaluate(parts, outside.outlets(1), 1, "after", 20)
    first, second = outside.evaluations
    assert parts.policy.snapshot(0, {}).files == before
    assert (first.kind, first.step, second.step) == ("evaluation", 0, 1)
    timeless = [{k: v for k, v in m.values.items() if not k.endswith("_seconds")} for m in (first, second)]
    assert timeless[0] == timeless[1]
    assert (first.values["questions"], first.values["overlap"]) == (40, 0)
    assert {"success_rate", "reward_mean", "tool_rate", "evaluation_seconds"} <= set(first.values)
    assert outside.reports[-1].evaluation.questions == 40


def test_a_run_without_evaluation_asks_nothing() -> None:
    """No question, no row, no report."""
    outside = Outside()
    evaluate(small.parts(outside), outside.outlets(1), 0, "before", 20)
    assert (outside.evaluations, outside.reports) == ([], [])

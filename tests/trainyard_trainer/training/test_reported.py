"""What is shown of measurements: decimal strings, and the word that follows."""

from __future__ import annotations

from trainyard_api.progress import Measurement, ReportedEvaluation, ReportedValidation, Verdict
from trainyard_trainer.evaluation.early_stopping import ValidationHistory, observed
from trainyard_trainer.evaluation.significance import Outcome
from trainyard_trainer.training.measured import Measured
from trainyard_trainer.training.reported import reported_evaluation, reported_validation


def measured(*successes: int | None) -> Measured:
    """One answer to each of some queries; None for one that failed."""
    scored = [success for success in successes if success is not None]
    values = {"questions": len(successes), "failed": len(successes) - len(scored), "avg_steps": 1.25}
    values |= {"success_rate": sum(scored) / len(scored)} if scored else {}
    outcomes = [Outcome(str(at), () if success is None else (success,)) for at, success in enumerate(successes)]
    return Measured(values, outcomes)


def test_both_measurements_and_the_conclusion_are_shown() -> None:
    """20 of 40 queries became right and none wrong: that is no accident. What doesn't exist is absent."""
    before, after = measured(*[0] * 30, *[1] * 9, None), measured(*[0] * 10, *[1] * 29, None)
    assert reported_evaluation(before, after) == ReportedEvaluation(
        questions=40,
        before=Measurement(success_rate="0.2308", avg_steps="1.2500", failed=1),
        after=Measurement(success_rate="0.7436", avg_steps="1.2500", failed=1),
        difference="0.5128",
        interval_low="0.3590",
        interval_high="0.6667",
        p_value="0.000002",
        test="McNemar",
        verdict=Verdict.IMPROVED,
    )


def test_one_measurement_has_no_conclusion() -> None:
    """Neither have two without a query that both answered."""
    alone = reported_evaluation(measured(1, 0), None)
    assert alone == ReportedEvaluation(questions=2, before=Measurement(success_rate="0.5000", avg_steps="1.2500"))
    apart = reported_evaluation(measured(1, None), measured(None, 1))
    assert (apart.verdict, apart.difference) == (None, None)
    assert apart.before is not None
    assert apart.after is not None


def test_equal_answers_are_no_evidence_and_a_few_queries_are_too_few() -> None:
    """A learning rate of 0 gives equal answers."""
    same = measured(*[0, 1] * 20)
    shown = reported_evaluation(same, same)
    assert (shown.verdict, shown.difference, shown.p_value) == (Verdict.NO_EVIDENCE, "0.0000", "1.000000")
    certain = reported_evaluation(measured(*[0] * 400), measured(*[1] * 400))
    assert certain.p_value == "0.000001", "a p-value is never 0"
    assert reported_evaluation(measured(0, 0), measured(1, 1)).verdict is Verdict.TOO_FEW_QUERIES


def test_a_validation_is_shown_with_the_best() -> None:
    """Nothing before the first, and none for one without a value."""
    history = ValidationHistory()
    assert reported_validation(history) is None
    for step, value in ((10, 0.5), (20, 0.75), (30, 0.25)):
        history = observed(history, step, value)
    expected = ReportedValidation(step=30, success_rate="0.2500", best_step=20, best_success_rate="0.7500")
    assert reported_validation(history) == expected
    assert reported_validation(observed(history, 40, None)) is None

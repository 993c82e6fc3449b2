"""The test queries are measured before and after, compared once, and not measured again by a run that goes on."""

from __future__ import annotations

from tests.trainyard_trainer.scripted import Told, exam, learned, sinks
from trainyard_api.progress import Verdict
from trainyard_trainer.algorithms.scored_batch import ScoredBatch
from trainyard_trainer.training.evaluate import evaluate_after, evaluate_before
from trainyard_trainer.training.train_state import TrainState


def test_before_and_after_are_recorded_and_compared() -> None:
    """Wrong before, right after; the conclusion stands with the later measurement, in ledger and status alike."""
    made, source = exam(lambda measurement, *_: measurement == 1, questions=30)
    told, position = Told(), TrainState()
    outside = sinks(told)
    evaluate_before(learned(7), made, outside, position)
    position.step = 10
    evaluate_after(learned(7), made, outside, position)
    (first, _, nothing), (last, answers, result) = told.evaluations
    assert nothing is None
    assert [(m.kind, m.step, m.policy_version, m.values["success_rate"]) for m in (first, last)] == [
        ("evaluation", 0, 7, 0.0),
        ("evaluation", 10, 7, 1.0),
    ]
    assert len(answers) == 30
    assert result is not None
    assert (result.verdict, result.difference) == (Verdict.IMPROVED, "1.0000")
    assert told.reports[-1].evaluation == result
    assert source.asked[0] == source.asked[1]


def test_a_run_that_goes_on_measures_its_first_weights_no_more() -> None:
    """What a checkpoint kept of them is shown, and compared with."""
    made, source = exam(lambda measurement, *_: measurement == 1, questions=30)
    position = TrainState()
    evaluate_before(learned(7), made, sinks(Told()), position)
    told = Told()
    resumed = TrainState.from_state(position.to_state(), ScoredBatch.from_state)
    evaluate_before(learned(7), made, sinks(told), resumed)
    assert len(source.asked) == 1
    assert told.evaluations == []
    shown = told.reports[-1].evaluation
    assert shown is not None
    assert (shown.before is not None, shown.after) == (True, None)
    evaluate_after(learned(7), made, sinks(told), resumed)
    (_, _, result) = told.evaluations[0]
    assert result is not None
    assert result.verdict is Verdict.IMPROVED


def test_a_run_without_evaluation_asks_nothing() -> None:
    """No row, no report."""
    told, position = Told(), TrainState()
    evaluate_before(learned(7), None, sinks(told), position)
    evaluate_after(learned(7), None, sinks(told), position)
    assert (told.evaluations, told.reports, position.before) == ([], [], None)

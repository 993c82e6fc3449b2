"""The validation queries are measured when it is due, once for each state."""

from __future__ import annotations

from tests.trainyard_trainer.scripted import Told, exam, learned, sinks
from trainyard_api.progress import ReportedValidation
from trainyard_trainer.algorithms.scored_batch import ScoredBatch
from trainyard_trainer.randomness import Stream
from trainyard_trainer.training.train_state import TrainState
from trainyard_trainer.training.validate import validate_if_due

EVERY_TWO = {"everySteps": 2, "questions": 4, "earlyStopping": {"patience": 2, "minDelta": "0.3"}}


def test_it_is_due_every_so_many_steps_and_not_before_the_first() -> None:
    """The queries and the random stream are its own, and the same each time."""
    made, source = exam(lambda *_: True, questions=2, validation=EVERY_TWO)
    told, position = Told(), TrainState()
    outside = sinks(told)
    for step in range(6):
        position.step = step
        validate_if_due(learned(7), made, outside, position)
        validate_if_due(learned(7), made, outside, position)
    assert [(metrics.kind, metrics.step) for metrics, *_ in told.evaluations] == [("validation", 2), ("validation", 4)]
    assert {plan.stream for _, plan in source.asked} == {Stream.VALIDATION_TOKENS}
    assert [prompts for prompts, _ in source.asked] == [made.questions.validation] * 2
    assert not set(made.questions.validation) & set(made.questions.test)


def test_the_history_goes_on_from_a_checkpoint_and_is_shown() -> None:
    """A run that goes on shows what it knew; a rise below minDelta is waited out, and still the best."""
    made, _ = exam(lambda measurement, query, _: query <= measurement, questions=2, validation=EVERY_TWO)
    position = TrainState(step=2)
    validate_if_due(learned(7), made, sinks(Told()), position)
    told = Told()
    resumed = TrainState.from_state(position.to_state(), ScoredBatch.from_state)
    validate_if_due(learned(7), made, sinks(told), resumed)
    assert told.evaluations == []
    assert told.reports[-1].validation == ReportedValidation(
        step=2, success_rate="0.2500", best_step=2, best_success_rate="0.2500"
    )
    assert resumed.metrics == {"validation_success_rate": "0.250000"}, "the state's checkpoint says it too"
    resumed.step = 4
    validate_if_due(learned(7), made, sinks(told), resumed)
    assert told.reports[-1].validation == ReportedValidation(
        step=4, success_rate="0.5000", best_step=4, best_success_rate="0.5000"
    )
    assert (resumed.validation.waited, resumed.validation.improved_to) == (1, 0.25)


def test_without_validation_nothing_is_asked() -> None:
    """With or without an evaluation."""
    made, source = exam(lambda *_: True, questions=2)
    for examined in (made, None):
        told = Told()
        validate_if_due(learned(7), examined, sinks(told), TrainState(step=2))
        assert (source.asked, told.reports) == ([], [])

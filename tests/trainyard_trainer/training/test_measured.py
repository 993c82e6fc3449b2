"""A measurement asks every query as often as the manifest says, and survives a checkpoint."""

from __future__ import annotations

import io

import pytest
import torch

from tests.trainyard_trainer.scripted import exam
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.evaluation.significance import Outcome
from trainyard_trainer.randomness import Stream
from trainyard_trainer.training.measured import Measured, measure
from trainyard_trainer.trajectory import TrajectoryStatus


def test_every_query_is_asked_samples_times_on_the_given_stream() -> None:
    """Answers come in the queries' order, whatever the order they were finished in."""
    made, source = exam(lambda _, query, sample: (query + sample) % 2 == 0, questions=4, samples=3)
    measured, answers = measure(made, made.questions.test, Stream.VALIDATION_TOKENS)
    ((prompts, plan),) = source.asked
    assert prompts == made.questions.test
    assert (plan.group_size, plan.stream) == (3, Stream.VALIDATION_TOKENS)
    assert [(one.id.prompt, one.id.sample) for one in answers] == [(q, s) for q in range(4) for s in range(3)]
    assert [one.successes for one in measured.outcomes] == [(1, 0, 1), (0, 1, 0)] * 2
    assert [one.query for one in measured.outcomes] == [prompt.question.text for prompt in prompts]
    assert (measured.values["questions"], measured.values["answers"], measured.values["overlap"]) == (4, 12, 0)
    assert (measured.values["success_rate"], measured.values["avg_reward"]) == (0.5, 0.5)
    assert measured.values["evaluation_seconds"] >= 0


def test_failed_answers_count_nowhere_but_as_failed() -> None:
    """A query whose environment fails has no verdict; a measurement without one is refused."""
    made, _ = exam(lambda _, query, __: None if query == 1 else True, questions=4)
    measured, answers = measure(made, made.questions.test, Stream.EVALUATION_TOKENS)
    assert (measured.values["failed"], measured.values["success_rate"]) == (1, 1.0)
    assert measured.outcomes[1] == Outcome(answers[1].question, ())
    assert answers[1].status is TrajectoryStatus.FAILED_ENVIRONMENT
    broken, _ = exam(lambda *_: None, questions=4)
    with pytest.raises(RefusedError, match="not one could be scored"):
        measure(broken, broken.questions.test, Stream.EVALUATION_TOKENS)


def test_a_measurement_survives_a_checkpoint() -> None:
    """Through the file that a trainer's state is kept in, which may hold plain types only."""
    measured = Measured({"success_rate": 1 / 3, "questions": 2}, [Outcome("a", (1, 0)), Outcome("b", ())])
    file = io.BytesIO()
    torch.save(measured.to_state(), file)
    file.seek(0)
    assert Measured.from_state(torch.load(file, weights_only=True)) == measured

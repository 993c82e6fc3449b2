"""Questions follow from seed and step; those of a measurement are never trained on."""

from __future__ import annotations

from typing import Any

import pytest

from trainyard_api.evaluation import Evaluation
from trainyard_api.termination import TerminationReason
from trainyard_trainer.data.jsonl import QuestionFile
from trainyard_trainer.data.question_sources import DrawnQuestions, FileQuestions
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.data.splits import Split
from trainyard_trainer.environment import Question
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.calculator import CalculatorTask

TASK = CalculatorTask({})


def drawn(seed: int, evaluation: dict[str, Any] | None = None) -> Questions:
    """The calculator's own."""
    asked = None if evaluation is None else Evaluation.model_validate(evaluation)
    return Questions(DrawnQuestions(TASK, seed), TASK, seed, asked)


def test_the_three_sets_are_disjoint() -> None:
    """Over 200 steps of two seeds no training question is measured on, and no test question validated on."""
    for seed in (0, 1):
        questions = drawn(seed, {"questions": 512, "validation": {"questions": 256}})
        test = {prompt.question.text for prompt in questions.test}
        validation = {prompt.question.text for prompt in questions.validation}
        trained = {prompt.question.text for step in range(200) for prompt in questions.training(step, 16)}
        assert (len(test), len(validation)) == (512, 256)
        assert not trained & (test | validation)
        assert not test & validation
        assert questions.overlap == 0
        assert {prompt.step for prompt in questions.test + questions.validation} == {0}


def test_a_run_that_meets_a_question_of_a_measurement_refuses() -> None:
    """The check is of the questions themselves, not of how they were drawn; white space doesn't hide one."""
    questions = drawn(0, {"questions": 4, "validation": {"questions": 2}})
    for asked in (questions.test[2], questions.validation[1]):
        with pytest.raises(RefusedError, match="no question of the evaluation may be trained on") as refusal:
            questions.refuse_overlap([asked])
        assert refusal.value.value == asked.question.text
    assert questions.overlap == 2
    same = Question(questions.test[0].question.text + " ", "1")
    source = FileQuestions({split: QuestionFile((same,), {}) for split in Split}, 0)
    measured = Evaluation.model_validate({"questions": 4})
    with pytest.raises(RefusedError, match="may be trained on"):
        Questions(source, TASK, 0, measured).training(0, 1)


def test_without_a_measurement_nothing_is_asked() -> None:
    """No test question is drawn, no set but the training set is judged."""
    questions = drawn(0)
    assert (questions.test, questions.validation) == ((), ())
    assert [one.split for one in questions.question_sets(training=True)] == [Split.TRAIN]
    assert questions.question_sets(training=False) == []


def test_the_report_gets_every_set_that_is_asked() -> None:
    """Of a task's training questions, some; of measurements, what they ask."""
    sets = drawn(0, {"questions": 5, "validation": {"questions": 3}}).question_sets(training=True)
    assert [(one.split, len(one.questions), one.drawn) for one in sets] == [
        (Split.TRAIN, 64, True),
        (Split.VALIDATION, 3, True),
        (Split.TEST, 5, True),
    ]


def test_the_digest_is_of_every_question_and_answer() -> None:
    """Another answer, another order and another set give another; the same files the same."""

    def digest(*pairs: tuple[str, str], test: str = "t") -> str:
        files = {
            Split.TRAIN: QuestionFile(tuple(Question(*pair) for pair in pairs), {}),
            Split.TEST: QuestionFile((Question(test, "1"),), {}),
        }
        return Questions(FileQuestions(files, 0), TASK, 0, Evaluation()).digest

    first, second = ("a", "1"), ("b", "2")
    assert digest(first, second) == digest(first, second)
    others = [digest(second, first), digest(first), digest(first, ("b", "3")), digest(first, second, test="u")]
    assert len({digest(first, second), *others}) == 5
    assert drawn(0).digest == drawn(0).digest != drawn(1).digest


def test_demonstrations_are_about_training_questions() -> None:
    """Each begins with a question that no measurement asks, and they repeat."""
    questions = drawn(0, {"questions": 512})
    shown = questions.demonstrations(5, 64)
    measured = {prompt.question.text for prompt in questions.test}
    assert not any(turns[0].said in measured for turns in shown)
    assert shown == drawn(0).demonstrations(5, 64)


def test_more_questions_than_there_are_is_refused() -> None:
    """A tenth of 8,100 sums can't give 900 questions; each measurement names its own field."""
    few = CalculatorTask({"operators": "+"})
    for asked, path in (
        ({"questions": 900}, "spec.evaluation.questions"),
        ({"questions": 1, "validation": {"questions": 900}}, "spec.evaluation.validation.questions"),
    ):
        with pytest.raises(RefusedError) as refusal:
            Questions(DrawnQuestions(few, 0), few, 0, Evaluation.model_validate(asked))
        assert refusal.value.reason is TerminationReason.INVALID_MANIFEST
        assert (refusal.value.field_path, refusal.value.value) == (path, "900")

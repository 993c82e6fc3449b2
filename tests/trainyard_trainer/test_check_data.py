"""Before anything is trained on, every question is opened as a rollout would open it, and judged."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.trainyard_trainer.run_configs import run_config
from trainyard_api.model_source import ScratchModel
from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.data.check_data import Limits, check_data, open_questions
from trainyard_trainer.data.jsonl import QueryFile
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.data.splits import Split
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.dialogue import make_dialogue
from trainyard_trainer.models.loading import scratch
from trainyard_trainer.seams import Question
from trainyard_trainer.tasks.calculator import CalculatorEnvironment, CalculatorTask


class AnyNumbers(CalculatorTask):
    """The calculator, about any file of questions."""

    accepts_data = True


TASK = AnyNumbers({})
FILES = {
    Split.TRAIN: QueryFile(tuple(Question(f"Q{left}+{left};", "1") for left in range(10, 99)), {}),
    Split.VALIDATION: QueryFile((Question("Q10-10;", "0"),), {}),
    Split.TEST: QueryFile(tuple(Question(f"Q{left}*{left};", "1") for left in range(10, 99)), {}),
}


def config(**evaluation: Any) -> RunConfig:
    """A run's, with or without an evaluation."""
    return run_config({"type": "SFT", "sft": {"steps": 1}}, **({"evaluation": evaluation} if evaluation else {}))


def check(
    questions: Questions,
    task: CalculatorTask = TASK,
    longest: int | None = None,
    longest_demonstration: int | None = None,
) -> list[str]:
    """The report's lines."""
    dialogue = make_dialogue(scratch(ScratchModel(), CalculatorTask.alphabet, 0), task)
    limits = Limits(longest, task.max_turn_tokens, longest_demonstration)
    return check_data(questions, task, dialogue, limits, training=True).lines()


def test_the_report_is_logged_with_lengths_in_ids(caplog: pytest.LogCaptureFixture) -> None:
    """Of every set that is asked; the calculator's prompts are seven characters, each a token."""
    questions = open_questions(config(questions=4), TASK, FILES)
    with caplog.at_level(logging.INFO):
        lines = check(questions)
    assert lines[0] == "train: 89 queries, 0 of them repeated; the longest prompt has 7 tokens"
    assert lines[1] == "test: 89 queries, 0 of them repeated; the longest prompt has 7 tokens"
    assert "below 100" in lines[2]
    assert [record.getMessage() for record in caplog.records] == [f"data: {line}" for line in lines]


def test_a_tasks_own_questions_are_reported_too() -> None:
    """Without files."""
    lines = check(open_questions(config(questions=6, validation={"questions": 3}), CalculatorTask({}), {}))
    assert lines == [
        "train: drawn by the task; the longest prompt has 7 tokens",
        "validation: 3 drawn by the task; the longest prompt has 7 tokens",
        "test: 6 drawn by the task; the longest prompt has 7 tokens",
    ]


def test_a_prompt_without_room_for_an_answer_is_refused_and_logged_first(caplog: pytest.LogCaptureFixture) -> None:
    """A model of 14 tokens, and answers of up to 8, leave 6."""
    assert Limits.of(14, 8, demonstrates=False) == Limits(6, 8, None)
    assert Limits.of(None, 8, demonstrates=False).prompt is None
    with caplog.at_level(logging.INFO), pytest.raises(RefusedError) as refusal:
        check(open_questions(config(), TASK, FILES), longest=6)
    assert refusal.value.reason is TerminationReason.INVALID_DATA
    assert (refusal.value.field_path, refusal.value.value) == ("spec.task.data.train", "Q10+10;")
    assert "more than 6 tokens" in str(refusal.value)
    assert any(record.getMessage().startswith("data: refused: ") for record in caplog.records)


def test_a_demonstration_longer_than_the_model_is_refused_in_the_report(caplog: pytest.LogCaptureFixture) -> None:
    """The longest are like `Q10+10;C10+10;R1;A1$`: 20 characters, each a token."""
    questions = open_questions(config(questions=4), TASK, FILES)
    lines = check(questions, longest_demonstration=20)
    assert not [line for line in lines if line.startswith("refused")]
    with caplog.at_level(logging.INFO), pytest.raises(RefusedError) as refusal:
        check(questions, longest_demonstration=19)
    assert refusal.value.reason is TerminationReason.INVALID_DATA
    assert refusal.value.field_path == "spec.task.data.train"
    assert refusal.value.value in {question.text for question in FILES[Split.TRAIN].questions}
    assert "no train demonstration may have more than 19 tokens, what the model reads" in str(refusal.value)
    assert str(refusal.value.value) in caplog.messages[-1]


def test_a_file_for_a_task_that_asks_its_own_questions_is_refused() -> None:
    """It would answer others than it was asked."""
    with pytest.raises(RefusedError) as refusal:
        open_questions(config(), CalculatorTask({}), FILES)
    assert (refusal.value.field_path, refusal.value.value) == ("spec.task.data", "calculator")


def test_a_query_that_opens_no_conversation_is_told_and_all_of_them_are_refused() -> None:
    """One may be the environment's bad day; all of them are no data for this task."""

    class Picky(CalculatorEnvironment):
        async def reset(self, question: Question) -> str:
            if question.text < bar:
                raise ValueError(f"can't ask {question.text}")
            return question.text

    class PickyTask(AnyNumbers):
        def environment(self) -> Picky:
            return Picky()

    bar = "Q11"
    lines = check(open_questions(config(), PickyTask({}), FILES), PickyTask({}))
    assert [line for line in lines if line.startswith("warning: 1 train queries open no conversation; ValueError")]
    bar = "Z"
    with pytest.raises(RefusedError, match="must open a conversation, and none does; ValueError") as refusal:
        check(open_questions(config(), PickyTask({}), FILES), PickyTask({}))
    assert refusal.value.field_path == "spec.task.data.train"


def test_a_character_that_the_model_cannot_write_is_told() -> None:
    """A tokenizer of characters leaves out those that it hasn't."""
    files = {Split.TRAIN: QueryFile((Question("Q1+1 é;", "2"), Question("Q1+1;", "2")), {})}
    lines = check(open_questions(config(), TASK, FILES | files))
    told = "warning: 1 train prompts have characters that the tokenizer can't write; 'é', for 'Q1+1 é;'"
    assert told in lines

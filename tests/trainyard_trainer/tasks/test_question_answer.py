"""The task qa: one's own questions, one answer each."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from trainyard_api.termination import TerminationReason
from trainyard_trainer.environment import Message, Observation, PolicyTurn, Question
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.question_answer import QuestionAnswerTask

QUESTION = Question("Capital of France?", "Paris")


def answer(task: QuestionAnswerTask, text: str) -> Observation:
    """What becomes of an answer."""

    async def play() -> Observation:
        environment = task.environment()
        await environment.reset(QUESTION)
        return await environment.step(PolicyTurn(text))

    return asyncio.run(play())


def test_as_a_chat() -> None:
    """A system message where there is one; the answer is what is said, less reasoning and spaces."""
    task = QuestionAnswerTask({"system": "One word."})
    assert task.opening(QUESTION) == (Message("system", "One word."), Message("user", QUESTION.text))
    for text in ("Paris", " Paris\n"):
        assert answer(task, text) == Observation(done=True, answer="Paris", success=True)
    assert answer(task, "Lyon") == Observation(done=True, answer="Lyon", success=False)


def test_as_text() -> None:
    """The text that ends it is no part of the answer."""
    task = QuestionAnswerTask({"dialogue": "text", "stop": ";"})
    assert (task.opening(QUESTION), task.stop_texts) == (QUESTION.text, (";",))
    assert answer(task, "Paris;").success


def test_demonstrations_answer_as_expected() -> None:
    """So one's own data can be fine-tuned on, too."""
    random = np.random.default_rng(0)
    chat = QuestionAnswerTask({}).demonstration(QUESTION, random)
    text = QuestionAnswerTask({"dialogue": "text"}).demonstration(QUESTION, random)
    assert chat[1].said == (Message("assistant", "Paris"),)
    assert [turn.said for turn in text] == [QUESTION.text, "Paris\n"]


def test_it_has_no_questions_of_its_own() -> None:
    """The field that must be set is named."""
    with pytest.raises(RefusedError, match="must be set for the task qa") as refusal:
        QuestionAnswerTask({}).question(np.random.default_rng(0))
    assert refusal.value.reason is TerminationReason.INVALID_MANIFEST
    assert refusal.value.field_path == "spec.task.data"


def test_an_unknown_dialogue_is_refused() -> None:
    """With what would have worked."""
    with pytest.raises(RefusedError, match="must be one of chat, text"):
        QuestionAnswerTask({"dialogue": "song"})

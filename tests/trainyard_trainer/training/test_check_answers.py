"""An expected outcome that nothing meets is found before any work."""

from __future__ import annotations

import pytest

from tests.trainyard_trainer import chat_model
from trainyard_api.model_source import ScratchModel
from trainyard_trainer.chat.renderer import make_renderer
from trainyard_trainer.environment import Question
from trainyard_trainer.models.load import scratch
from trainyard_trainer.tasks.arithmetic_tools import ArithmeticToolsTask
from trainyard_trainer.tasks.calculator import CalculatorTask
from trainyard_trainer.tasks.question_answer import QuestionAnswerTask
from trainyard_trainer.training.check_answers import unmeetable

CHARACTERS = "ab0123456789;"
TEXT = QuestionAnswerTask({"dialogue": "text", "stop": ";", "alphabet": CHARACTERS})
CHAT = QuestionAnswerTask({})
TEXT_RENDERER = make_renderer(scratch(ScratchModel(), CHARACTERS, 0).vocabulary, TEXT)
CHAT_RENDERER = make_renderer(chat_model.loaded().vocabulary, CHAT)


@pytest.mark.parametrize(
    ("expected", "why"),
    [
        ("12", None),
        ("12\n", None),
        ("1é", "the tokenizer can't write 'é'"),
        ("1;2", "a text that ends a turn stands in it, so that '1;' is all that is ever said of it"),
        ("123456789", "it has 10 tokens with its end, and a turn at most 8"),
        ("1234567", None),
    ],
)
def test_what_a_text_dialogue_can_say(expected: str, why: str | None) -> None:
    """By the tokenizer's characters, the text that ends a turn, and the tokens of a turn."""
    found = unmeetable([Question("a", expected, line=3)], TEXT, TEXT_RENDERER, 8)
    assert [one.why for one in found] == ([] if why is None else [why])
    assert [one.too_long for one in found] == ([] if why is None else ["tokens" in why])


@pytest.mark.parametrize(
    ("expected", "why"),
    [
        ("Paris", None),
        ("Grüße 🚂", None),
        ("<|im_end|>", None),
        ("a<|im_end|>b", None),
        ("<think>a", "of '<think>a' all but '' is taken for reasoning"),
        ("<think>a</think>b", "of '<think>a</think>b' all but 'b' is taken for reasoning"),
        ("a\ud83d", "it can't be written: half of a surrogate pair"),
    ],
)
def test_what_a_chat_can_say(expected: str, why: str | None) -> None:
    """A control token in an outcome is text; what would be taken for reasoning is no answer."""
    found = unmeetable([Question("a", expected)], CHAT, CHAT_RENDERER, 100)
    assert [one.why.startswith(why or "") for one in found] == ([] if why is None else [True])


@pytest.mark.parametrize("expected", ["1,653", "1e3", "1/3", "-30", "none", "Paris", "1653\n"])
def test_arithmetic_judges_numbers_and_texts(expected: str) -> None:
    """Said as they are expected, they are right."""
    task = ArithmeticToolsTask({})
    assert unmeetable([Question("a", expected)], task, make_renderer(chat_model.loaded().vocabulary, task), 100) == []


@pytest.mark.parametrize("expected", ["2024-01-30", "5 apples", "5%", "1/0"])
def test_arithmetic_cannot_judge_what_is_neither(expected: str) -> None:
    """Which part of it must be met, nobody knows."""
    task = ArithmeticToolsTask({})
    (found,) = unmeetable([Question("a", expected)], task, make_renderer(chat_model.loaded().vocabulary, task), 100)
    assert found.ambiguous
    assert "must be a number, as -1,234.5, 1e3 or 1/3, or a text without digits" in found.why


def test_a_task_that_knows_no_answer_is_not_asked() -> None:
    """What is expected may be anything that its rewards understand."""
    task = CalculatorTask({})
    renderer = make_renderer(scratch(ScratchModel(), CalculatorTask.alphabet, 0).vocabulary, task)
    assert unmeetable([Question("Q1;", "see the reward")], task, renderer, 8) == []

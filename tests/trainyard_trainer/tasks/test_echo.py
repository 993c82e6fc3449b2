"""The task echo: what was said is right."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from trainyard_trainer.environment import Observation, PolicyTurn, Question
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.echo import EchoTask


@pytest.mark.parametrize(("said", "success"), [("472;", True), ("472", True), ("274;", False), (";", False)])
def test_what_was_said_is_the_answer(said: str, success: bool) -> None:
    """Without what ends it."""

    async def play() -> Observation:
        environment = EchoTask({}).environment()
        assert await environment.reset(Question("472;", "472")) == "472;"
        return await environment.step(PolicyTurn(said))

    assert asyncio.run(play()) == Observation(done=True, answer=said.rstrip(";"), success=success)


def test_questions_and_demonstrations_are_within_the_alphabet() -> None:
    """Of as many digits as the option says; a turn has room for them and its end."""
    task, random = EchoTask({"digits": "5"}), np.random.default_rng(0)
    question = task.question(random)
    texts = [turn.said for turn in task.demonstration(question, random)]
    assert texts == [question.expected + ";"] * 2
    assert (len(question.expected), task.max_turn_tokens) == (5, 6)
    assert set("".join(map(str, texts))) <= set(task.alphabet)


@pytest.mark.parametrize("digits", ["0", "33", "x", "", "-1", "1.5"])
def test_other_numbers_of_digits_are_refused(digits: str) -> None:
    """With field and value."""
    with pytest.raises(RefusedError, match=r"options\.digits: must be a whole number from 1 to 32"):
        EchoTask({"digits": digits})

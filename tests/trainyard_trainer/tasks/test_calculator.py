"""The calculator task: what is asked, what the tool answers, and when it is over."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard_api.termination import TerminationReason
from trainyard_trainer.environment import Observation, PolicyTurn, Question
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.calculator import CalculatorTask, calculate
from trainyard_trainer.trajectory import CallOutcome, Role

QUESTION = Question("Q47*93;", "04371")


def converse(*said: str) -> list[Observation]:
    """What the environment makes of these turns."""

    async def play() -> list[Observation]:
        environment = CalculatorTask({}).environment()
        assert await environment.reset(QUESTION) == "Q47*93;"
        return [await environment.step(PolicyTurn(text)) for text in said]

    return asyncio.run(play())


@given(left=st.integers(10, 99), right=st.integers(10, 99), operator=st.sampled_from("+-*"))
def test_results_have_five_characters_and_are_right(left: int, right: int, operator: str) -> None:
    """Signs and zeros included."""
    result = calculate(left, operator, right)
    assert len(result) == 5
    assert int(result) == {"+": left + right, "-": left - right, "*": left * right}[operator]


def test_a_right_answer_succeeds_at_once() -> None:
    """Guessing is allowed."""
    assert converse("A04371$") == [Observation(done=True, answer="04371", success=True)]


def test_a_wrong_answer_is_an_answer_without_success() -> None:
    """So rewards may still look at it."""
    assert converse("A-0042$") == [Observation(done=True, answer="-0042", success=False)]


def test_the_tool_answers_what_was_asked_of_it_not_what_would_be_right() -> None:
    """A call for other numbers gets their result."""
    call, end = converse("C10-99;", "A-0089$")
    assert call == Observation(done=False, reply="R-0089;", calls=(CallOutcome("10-99", "-0089", ok=True),))
    assert (end.answer, end.success) == ("-0089", False)


def test_a_second_call_ends_it_without_an_answer() -> None:
    """At most one call."""
    assert converse("C47*93;", "C47*93;")[1] == Observation(done=True)


@pytest.mark.parametrize("text", ["A4371$", "A04371;", "A004371$", "C4*93;", "C47/93;", "Q47*93;", "$", "<eos>A04371$"])
def test_anything_else_ends_it_without_an_answer(text: str) -> None:
    """Only well-formed turns count."""
    assert converse(text) == [Observation(done=True)]


def test_demonstrations_call_the_tool_rarely_and_otherwise_guess() -> None:
    """About a quarter call; they are right. Guesses are well-formed and nearly all wrong."""
    task, random = CalculatorTask({}), np.random.default_rng(0)
    shown = [task.demonstration(QUESTION, random) for _ in range(2000)]
    calling = [turns for turns in shown if len(turns) == 4]
    assert 0.20 < len(calling) / len(shown) < 0.30
    assert {tuple(turn.said for turn in turns) for turns in calling} == {("Q47*93;", "C47*93;", "R04371;", "A04371$")}
    assert [turn.role for turn in calling[0]] == [Role.PROMPT, Role.POLICY, Role.TOOL, Role.POLICY]
    guesses = [turns[1].said for turns in shown if len(turns) == 2]
    assert all(converse(guess)[0].answer is not None for guess in guesses[:200])
    negative = sum("-" in guess for guess in guesses) / len(guesses)
    assert 0.11 < negative < 0.19


def test_operators_can_be_chosen() -> None:
    """The option narrows the questions; any other value is refused with field and value."""
    task, random = CalculatorTask({"operators": "+"}), np.random.default_rng(0)
    assert all("+" in task.question(random).text for _ in range(50))
    for bad in ("", "/", "+/"):
        with pytest.raises(RefusedError) as refusal:
            CalculatorTask({"operators": bad})
        assert refusal.value.reason is TerminationReason.INVALID_OPTION
        assert (refusal.value.field_path, refusal.value.value) == ("spec.task.options.operators", bad)


def test_texts_are_within_the_alphabet() -> None:
    """A scratch model can write everything that is said."""
    task, random = CalculatorTask({}), np.random.default_rng(0)
    texts = [turn.said for _ in range(500) for turn in task.demonstration(task.question(random), random)]
    assert set("".join(texts)) == set(CalculatorTask.alphabet)

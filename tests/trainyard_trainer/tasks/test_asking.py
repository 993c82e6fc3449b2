"""Questions and demonstrations of a user's task: what goes wrong in it is said with its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trainyard_api.termination import TerminationReason
from trainyard_trainer.environment import Message, Question
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.asking import ask, right_answer, show
from trainyard_trainer.tasks.calculator import CalculatorTask
from trainyard_trainer.tasks.task import DemonstrationTurn
from trainyard_trainer.trajectory import Role

QUESTION = Question("Q1;", "1")
RANDOM = np.random.default_rng(0)


class Odd(CalculatorTask):
    """A task of which everything is somebody else's idea."""

    def __init__(self, does: Callable[[], Any]) -> None:
        super().__init__({})
        self._does = does

    def question(self, *_: Any) -> Any:
        return self._does()

    def demonstration(self, *_: Any) -> Any:
        return self._does()

    def right_answer(self, *_: Any) -> Any:
        return self._does()


def throw(error: BaseException) -> Callable[[], Any]:
    """A function that raises this."""

    def raises() -> None:
        raise error

    return raises


def mute() -> BaseException:
    """An error that can't say what it is."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise ValueError

    return MuteError()


RAISED = [
    ZeroDivisionError("x"), SystemExit(0), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), mute(),
]  # fmt: skip


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_whatever_a_task_raises_is_refused_with_its_place(error: BaseException) -> None:
    """Of a question and of a demonstration; the type, the file and the line."""
    for call in (lambda: ask(Odd(throw(error)), RANDOM), lambda: show(Odd(throw(error)), QUESTION, RANDOM)):
        with pytest.raises(RefusedError, match=type(error).__name__) as refusal:
            call()
        assert refusal.value.reason is TerminationReason.ENVIRONMENT_FAILED
        assert (refusal.value.field_path, refusal.value.value) == ("spec.task.name", "Odd")
        assert f"{__file__}:" in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "it gave NoneType"),
        (("a", "b"), "it gave tuple"),
        (Question("a", 4), "it gave Question"),  # type: ignore[arg-type]
        (Question("a\ud83d", "b"), "half of a surrogate pair"),
        (Question("a", "b\ud83d"), "half of a surrogate pair"),
    ],
)
def test_what_is_no_question_is_refused(given: Any, says: str) -> None:
    """Before it is hashed, encoded or asked."""
    with pytest.raises(RefusedError, match=says):
        ask(Odd(lambda: given), RANDOM)


@pytest.mark.parametrize(
    "given",
    [
        (), None, 7, "text", (DemonstrationTurn(Role.POLICY, 7),), (DemonstrationTurn("policy?", "x"),),  # type: ignore[arg-type]
        (DemonstrationTurn(Role.POLICY, ()),), (DemonstrationTurn(Role.POLICY, ("a",)),),
        (DemonstrationTurn(Role.POLICY, (Message("user", None),)),),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_what_is_no_demonstration_is_refused(given: Any) -> None:
    """With what it should be, or what Python says of it."""
    with pytest.raises(RefusedError, match=r"must give DemonstrationTurns|TypeError"):
        show(Odd(lambda: given), QUESTION, RANDOM)


def test_what_a_task_refuses_itself_stays_as_it_is() -> None:
    """It knows the field better."""
    own = RefusedError(TerminationReason.INVALID_OPTION, "must be x", field_path="spec.task.options.y")
    for call in (ask, lambda task, random: show(task, QUESTION, random), lambda task, _: right_answer(task, QUESTION)):
        with pytest.raises(RefusedError) as refusal:
            call(Odd(throw(own)), RANDOM)
        assert refusal.value is own


def test_a_right_answer_is_a_text_or_none() -> None:
    """A task may know none, or say why none can be judged; a class of another kind needn't have the method."""
    assert right_answer(Odd(lambda: "4"), QUESTION) == "4"
    assert right_answer(CalculatorTask({}), QUESTION) is None
    assert right_answer(object(), QUESTION) is None  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no number"):
        right_answer(Odd(throw(ValueError("no number"))), QUESTION)
    with pytest.raises(RefusedError, match="must give a text or None"):
        right_answer(Odd(lambda: 4), QUESTION)
    with pytest.raises(RefusedError, match="SystemExit"):
        right_answer(Odd(throw(SystemExit())), QUESTION)


def test_a_sound_task_is_asked() -> None:
    """Its questions and demonstrations pass as they are."""
    task = CalculatorTask({})
    assert isinstance(ask(task, RANDOM), Question)
    assert show(task, Question("Q47*93;", "04371"), RANDOM)[0].role is Role.PROMPT


def test_a_right_answer_that_can_not_even_be_looked_up_is_refused() -> None:
    """A property of the user's may raise anything."""

    class Hidden(CalculatorTask):
        @property
        def right_answer(self) -> Any:
            raise SystemExit

    with pytest.raises(RefusedError, match="SystemExit") as refusal:
        right_answer(Hidden({}), QUESTION)
    assert (refusal.value.reason, refusal.value.value) == (TerminationReason.ENVIRONMENT_FAILED, "Hidden")

"""What environments say and raise, in conversations beside one that is good."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from hack.fuzz.conversations import played
from hack.fuzz.kind import Kind, promise, writable
from hack.fuzz.models import chat_model, text_model
from hack.fuzz.texts import texts
from trainyard_trainer.chat.renderer import Renderer, make_renderer
from trainyard_trainer.environment import Environment, Message, Observation, PolicyTurn, Question, Said, ToolCall
from trainyard_trainer.tasks.task import DemonstrationTurn, Task
from trainyard_trainer.trajectory import CallOutcome, TrajectoryStatus

ALPHABET = "0123456789+=;abc "
ODD, GOOD = Question("odd", "1"), Question("good", "1")
RAISED = (
    *(ValueError, KeyError, OSError, RecursionError, MemoryError, StopIteration, StopAsyncIteration, TimeoutError),
    *(
        asyncio.CancelledError,
        KeyboardInterrupt,
        GeneratorExit,
        SystemExit,
        AssertionError,
        BaseException,
        UnicodeError,
    ),
)


@dataclass(frozen=True)
class Odd:
    """What an environment says first, and at each turn; exceptions are raised instead."""

    dialogue: str
    opening: Any
    steps: tuple[Any, ...] = field(default=())


class FuzzTask(Task):
    """A task whose environments say what an input says, but one that is good."""

    def __init__(self, odd: Odd) -> None:
        self._odd = odd
        self.dialogue = "chat" if odd.dialogue == "chat" else "text"
        self.alphabet = ALPHABET
        self.stop_texts = (";",) if self.dialogue == "text" else ()
        self.max_turn_tokens = 16

    def question(self, random: np.random.Generator) -> Question:  # noqa: ARG002 (there are two)
        """Returns the odd one."""
        return ODD

    def demonstration(self, question: Question, random: np.random.Generator) -> tuple[DemonstrationTurn, ...]:  # noqa: ARG002 (nobody is shown)
        """Returns none."""
        return ()

    def environment(self) -> Environment:
        """Makes a new conversation; its question says which it is."""
        return _Environment(self._odd)


class _Environment:
    """Says what it is told to."""

    def __init__(self, odd: Odd) -> None:
        self._odd = odd
        self._steps = iter(odd.steps)
        self._good = False

    async def reset(self, question: Question) -> Said:
        """Returns what the policy is asked."""
        self._good = question == GOOD
        said: Said = "1+1=" if self._good else _given(self._odd.opening)
        return said

    async def step(self, turn: PolicyTurn) -> Observation:  # noqa: ARG002 (whatever was said)
        """Returns what follows from a policy turn."""
        if self._good:
            return Observation(done=True, answer="2", success=True)
        found: Observation = _given(next(self._steps, Observation(done=True)))
        return found


def _given(value: Any) -> Any:
    if isinstance(value, BaseException):
        raise value
    return value


def _errors() -> st.SearchStrategy[BaseException]:
    return st.builds(lambda kind, text: kind(text), st.sampled_from(RAISED), texts(2))


def _anything() -> st.SearchStrategy[Any]:
    return st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=3) | texts(2)


def _messages() -> st.SearchStrategy[tuple[Message, ...]]:
    roles: Any = st.sampled_from(("system", "user", "assistant", "tool", "", "developer", None))
    calls = st.lists(st.builds(ToolCall, texts(1), st.dictionaries(texts(1), _anything(), max_size=2)), max_size=2)
    content: Any = texts() | texts() | _anything()
    names: Any = st.none() | texts(1) | st.integers()
    message = st.builds(Message, roles, content, calls.map(tuple), names)
    return st.lists(message, max_size=3).map(tuple)


def _said() -> st.SearchStrategy[Any]:
    plain = st.text(ALPHABET, max_size=12)
    return plain | texts() | _messages() | _anything() | _errors() | st.lists(texts(1), max_size=2)


def _observations() -> st.SearchStrategy[Any]:
    outcomes: Any = st.builds(CallOutcome, texts(2) | _anything(), texts(2), st.booleans() | st.integers(0, 2))
    calls: Any = st.lists(outcomes | _anything(), max_size=2).map(tuple) | st.none()
    done: Any = st.booleans() | _anything()
    reply: Any = st.text(ALPHABET, min_size=1, max_size=12) | texts() | _messages() | _anything()
    answer: Any = st.none() | texts(3) | _anything()
    success: Any = st.booleans() | _anything()
    made = st.builds(Observation, done, reply, calls, answer, success)
    plain = st.builds(Observation, st.booleans(), st.text(ALPHABET, min_size=1, max_size=12), st.just(()), texts(3))
    return plain | made | made | _errors() | _anything()


def _odd() -> st.SearchStrategy[Odd]:
    ways = st.sampled_from(("text", "chat"))
    return st.builds(Odd, ways, _said(), st.lists(_observations(), max_size=3).map(tuple))


@functools.cache
def _model(way: str) -> Any:
    return chat_model() if way == "chat" else text_model(ALPHABET)


def check(odd: Odd) -> None:
    """Plays it beside a good one, which must succeed whatever the other says."""
    task = FuzzTask(odd)
    renderer: Renderer = make_renderer(_model(odd.dialogue).vocabulary, task)
    turn = renderer.answer("1+1=2")
    found, good = played(task, renderer, [ODD, GOOD], {0: [turn], 1: [turn]})
    promise(
        good.status is TrajectoryStatus.OK and good.success is True, f"one's fault isn't another's; got {good.error}"
    )
    if found.error is not None:
        promise(
            found.status is TrajectoryStatus.FAILED_ENVIRONMENT, f"an error fails its trajectory; got {found.status}"
        )
        promise(found.error.strip(), "an error says something")
        writable(found.error)


KIND = Kind("environments", 600, _odd(), check)

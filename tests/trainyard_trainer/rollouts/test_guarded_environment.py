"""Calls of an environment end in an answer, or in words about what went wrong; nothing else gets out of them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from tests.trainyard_trainer.clock import Clock
from trainyard_trainer import deadlines
from trainyard_trainer.environment import Observation, PolicyTurn, Question
from trainyard_trainer.rollouts.guarded_environment import FailedEnvironmentError, GuardedEnvironment
from trainyard_trainer.tasks.echo import EchoTask

QUESTION, TURN = Question("12", "12"), PolicyTurn("12")
ANSWER = Observation(done=True, answer="12", success=True)


class OwnError(BaseException):
    """No Exception at all."""


class SilentError(Exception):
    """One that can't be told."""

    def __str__(self) -> str:
        raise OwnError


ERRORS = [
    asyncio.CancelledError("mine"),
    KeyboardInterrupt("mine"),
    SystemExit("mine"),
    GeneratorExit("mine"),
    OwnError("mine"),
    BaseExceptionGroup("mine", [KeyboardInterrupt()]),
    ExceptionGroup("mine", [ValueError()]),
    StopIteration("mine"),
    FailedEnvironmentError("mine"),
    SilentError(),
]


class Environment:
    """Does at each place what it was told to."""

    def __init__(self, at_reset: Callable[[], Any], at_step: Callable[[], Any]) -> None:
        self._at_reset, self._at_step = at_reset, at_step

    async def reset(self, question: Question) -> Any:  # noqa: ARG002
        found = self._at_reset()
        return await found if inspect.isawaitable(found) else found

    async def step(self, turn: PolicyTurn) -> Any:  # noqa: ARG002
        found = self._at_step()
        return await found if inspect.isawaitable(found) else found


class Task(EchoTask):
    """Makes environments of the kind above."""

    def __init__(
        self,
        at_step: Callable[[], Any] = lambda: ANSWER,
        at_reset: Callable[[], Any] = lambda: "12",
        at_making: Callable[[], Any] = lambda: None,
    ) -> None:
        super().__init__({})
        self._said = at_reset, at_step
        self._at_making = at_making

    def environment(self) -> Any:
        self._at_making()
        return Environment(*self._said)


def throw(error: BaseException) -> Callable[[], Any]:
    """A function that raises."""

    def _throw() -> Any:
        raise error

    return _throw


async def converse(task: EchoTask, seconds: float = 60.0) -> Observation:
    """One turn in an environment of a task."""
    environment = GuardedEnvironment(task, seconds)
    await environment.reset(QUESTION)
    return await environment.step(TURN)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["at_making", "at_reset", "at_step"])
def test_whatever_an_environment_raises_fails_its_conversation(where: str, error: BaseException) -> None:
    """Type, file and line are said; no kind of exception gets through, not even one that looks like ours."""
    with pytest.raises(FailedEnvironmentError) as failed:
        asyncio.run(converse(Task(**{where: throw(error)})))
    assert type(failed.value) is FailedEnvironmentError
    # A coroutine can't raise StopIteration: Python makes a RuntimeError of it.
    assert type(error).__name__ in str(failed.value)
    assert f"{__file__}:" in str(failed.value)
    assert failed.value is not error


def test_who_ends_a_conversation_isnt_taken_for_its_environment() -> None:
    """A cancellation from outside goes through: a stop was asked for."""

    async def _outside() -> bool:
        begun = asyncio.Event()

        async def _hang() -> None:
            begun.set()
            await asyncio.Event().wait()

        conversation = asyncio.create_task(converse(Task(_hang)))
        await begun.wait()
        conversation.cancel()
        await asyncio.wait([conversation])
        return conversation.cancelled()

    assert asyncio.run(_outside())


def test_a_task_that_the_environment_cancels_is_its_own_business() -> None:
    """Waiting for one's own cancelled task raises CancelledError, which ends one conversation."""

    async def _cancel() -> None:
        mine = asyncio.create_task(asyncio.sleep(60))
        mine.cancel()
        await mine

    with pytest.raises(FailedEnvironmentError, match="CancelledError"):
        asyncio.run(converse(Task(_cancel)))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of loop and deadlines: no other program takes time from them."""
    clock = Clock()
    monkeypatch.setattr(deadlines, "monotonic", clock.monotonic)
    return clock


@pytest.mark.parametrize("waits", [False, True])
def test_an_environment_that_cancels_its_own_conversation_fails_it(waits: bool) -> None:
    """Whether it waits for that or answers: what the conversation does next isn't hit by it."""

    async def _cancel() -> Observation:
        current = asyncio.current_task()
        assert current is not None
        current.cancel()
        if waits:
            await asyncio.Event().wait()
        return ANSWER

    async def _then() -> int:
        with pytest.raises(FailedEnvironmentError, match=r"CancelledError at .*:\d+"):
            await converse(Task(_cancel))
        await asyncio.sleep(0)
        current = asyncio.current_task()
        return current.cancelling() if current else -1

    assert asyncio.run(_then()) == 0


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("how", ["awaited", "gathered", "grouped", "grandchild", "left"])
def test_a_task_of_an_environment_that_exits_ends_no_other(how: str, kind: type[BaseException]) -> None:
    """A loop would end with it: only who waits for the task fails, with the line that raised."""

    async def _exit() -> None:
        await asyncio.sleep(0)
        raise kind("mine")

    line = _exit.__code__.co_firstlineno + 2

    async def _parent() -> None:
        await asyncio.create_task(_exit())

    async def _start() -> Observation:
        if how == "awaited":
            await asyncio.create_task(_exit())
        elif how == "gathered":
            await asyncio.gather(_exit(), asyncio.sleep(0))
        elif how == "grouped":
            async with asyncio.TaskGroup() as group:
                group.create_task(_exit())
        elif how == "grandchild":
            await asyncio.create_task(_parent())
        else:
            left.append(asyncio.create_task(_exit()))
            await asyncio.wait(left)
            assert left[0].exception() is not None
        return ANSWER

    async def _both() -> list[Any]:
        return await asyncio.gather(converse(Task(_start)), converse(Task()), return_exceptions=True)

    left: list[asyncio.Task[None]] = []
    first, second = asyncio.run(_both())
    assert second == ANSWER
    if how == "left":
        assert first == ANSWER
    else:
        assert f"{kind.__name__}: mine at {__file__}:{line}" in str(first)


def test_an_environment_that_blocks_takes_no_time_from_others(clock: Clock) -> None:
    """Its neighbour's answer came long before the time was up, and nobody could look at it."""

    async def _block() -> Observation:
        await asyncio.sleep(0)
        clock.sleep(1.0)
        return ANSWER

    async def _answer() -> Observation:
        await asyncio.sleep(0.01)
        return ANSWER

    async def _both() -> list[Observation]:
        return await asyncio.gather(converse(Task(_answer), 0.5), converse(Task(_block)))

    assert clock.run(_both()) == [ANSWER, ANSWER]


@pytest.mark.parametrize("neighbour_blocks", [False, True])
def test_an_environment_that_hangs_is_given_up(clock: Clock, neighbour_blocks: bool) -> None:
    """Also where another one blocks the thread again and again, and whatever it raises on its way out."""

    async def _hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise KeyError("on the way out")

    async def _both() -> None:
        async def _block() -> None:
            while neighbour_blocks:
                clock.sleep(0.02)
                await asyncio.sleep(0)

        blocking = asyncio.create_task(_block())
        try:
            await converse(Task(_hang), 0.2)
        finally:
            blocking.cancel()

    with pytest.raises(FailedEnvironmentError, match=r"took longer than 0\.2 seconds"):
        clock.run(_both())


def test_an_environment_that_does_not_end_when_told_is_left(clock: Clock) -> None:
    """One that heeds no cancellation would keep the run for ever; its conversation goes on without it, uncancelled."""
    over: list[bool] = []  # or Python, which closes at exit what was left, would wait for it

    async def _stubborn() -> None:
        while not over:
            try:  # noqa: SIM105 (as a user may write it)
                await asyncio.sleep(0.05)
            except BaseException:  # noqa: BLE001 (as a user may write it)
                pass

    async def _conversation() -> int:
        with pytest.raises(FailedEnvironmentError, match=r"took longer than 0\.2 seconds"):
            await converse(Task(_stubborn), 0.2)
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert clock.run(_conversation()) == 0
    over.append(True)


def test_an_environment_may_clean_up_when_its_time_is_up(clock: Clock) -> None:
    """It closes what it has opened, which takes a moment."""
    closed: list[bool] = []

    async def _closes() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1.0)
            closed.append(True)

    with pytest.raises(FailedEnvironmentError, match=r"took longer than 0\.2 seconds"):
        clock.run(converse(Task(_closes), 0.2))
    assert closed == [True]


class Never:
    """Equal to nothing, true for nobody, and of no class."""

    @property
    def __class__(self) -> Any:
        raise OwnError

    def __eq__(self, other: object) -> bool:
        raise OwnError

    def __bool__(self) -> bool:
        raise OwnError

    __hash__ = None  # type: ignore[assignment]


class Uneven(tuple):  # type: ignore[type-arg]
    """A tuple that can't be gone through."""

    __slots__ = ()

    def __iter__(self) -> Any:
        raise OwnError


class Hidden(Observation):
    """An answer that can't be read."""

    @property
    def answer(self) -> Any:
        raise OwnError


@pytest.mark.parametrize(
    ("where", "returned"),
    [
        ("at_reset", Never()),
        ("at_reset", Uneven("12")),
        ("at_step", Never()),
        ("at_step", Observation(done=True, success=Never())),  # type: ignore[arg-type]
        ("at_step", Observation(done=Never())),  # type: ignore[arg-type]
        ("at_step", Observation(done=True, calls=Uneven("12"))),
        ("at_step", Observation(done=False, reply=Uneven("12"))),
        ("at_step", object.__new__(Hidden)),
    ],
    ids=["said", "messages", "observation", "success", "done", "calls", "reply", "answer"],
)
def test_what_cant_be_looked_at_is_no_answer(where: str, returned: Any) -> None:
    """An object that raises when it is compared, gone through or asked for its class fails one conversation."""
    with pytest.raises(FailedEnvironmentError):
        asyncio.run(converse(Task(**{where: lambda: returned})))


def test_an_environment_that_is_none_is_told_by_its_place() -> None:
    """What has no traceback into the user's file names the method's own."""

    class Wrong(Environment):
        def step(self, turn: PolicyTurn) -> Any:  # type: ignore[override]  # noqa: ARG002
            return ANSWER

    class Making(Task):
        def environment(self) -> Any:
            return Wrong(lambda: "12", lambda: ANSWER)

    line = Wrong.step.__code__.co_firstlineno
    with pytest.raises(FailedEnvironmentError, match=rf"TypeError: .*await.* at .*test_guarded_environment\.py:{line}"):
        asyncio.run(converse(Making()))

"""A deadline counts the time in which a coroutine could have gone on, and that which it took for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.trainyard_trainer.clock import Clock
from trainyard_trainer import deadlines
from trainyard_trainer.deadlines import Deadline, Steps


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of loop and deadlines: no other program takes time from them."""
    clock = Clock()
    monkeypatch.setattr(deadlines, "monotonic", clock.monotonic)
    return clock


async def _over(seconds: float, meanwhile: Callable[[], Awaitable[Any]], own: float = 0.0) -> bool:
    """Whether the loop was blocked for longer than could be added, once the time is up."""
    told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    deadline = Deadline(seconds, lambda: own, told.set_result, 0.05)
    other = asyncio.ensure_future(meanwhile())
    starved = await told
    deadline.stop()
    other.cancel()
    return starved


async def _block_for(clock: Clock, seconds: float) -> None:
    await asyncio.sleep(0)
    clock.sleep(seconds)


def test_time_in_which_others_kept_the_thread_is_added(clock: Clock) -> None:
    """After half a second of somebody else's, 0.6 seconds are still as long as they were."""
    starved = clock.run(_over(0.6, lambda: _block_for(clock, 0.5)))
    assert clock.now == pytest.approx(1.1, abs=0.06)  # the loop is looked at every 0.05 seconds
    assert not starved


async def _always(clock: Clock) -> None:
    while True:
        await _block_for(clock, 0.3)


@pytest.mark.parametrize(("own", "starved"), [(0.0, True), (1000.0, False)])
def test_a_loop_that_is_always_blocked_ends_a_wait_all_the_same(clock: Clock, own: float, starved: bool) -> None:
    """At most the same time is added, and it is said where that wasn't enough: not if the waiter itself blocks it."""
    assert clock.run(_over(0.2, lambda: _always(clock), own)) is starved


def test_a_deadline_that_was_stopped_is_never_over(clock: Clock) -> None:
    """Not even where it was stopped twice, and late."""

    async def _stopped() -> list[bool]:
        told: list[bool] = []
        deadline = Deadline(0.01, lambda: 0.0, told.append, 0.05)
        deadline.stop()
        deadline.stop()
        await asyncio.sleep(0.1)
        return told

    assert clock.run(_stopped()) == []


def test_steps_count_what_a_coroutine_keeps_for_itself(clock: Clock) -> None:
    """Not what it waits for; what it returns, raises and is cancelled with goes through."""

    async def _works() -> str:
        clock.sleep(0.1)
        await asyncio.sleep(0.3)
        clock.sleep(0.1)
        return "done"

    async def _fails() -> None:
        await asyncio.sleep(0)
        raise KeyError("no such key")

    async def _await(steps: Steps) -> Any:
        return await steps

    async def _all() -> None:
        steps = Steps(_works())
        assert await steps == "done"
        assert (steps.seconds, clock.now) == (pytest.approx(0.2), pytest.approx(0.5))
        with pytest.raises(KeyError, match="no such key"):
            await Steps(_fails())
        task = asyncio.create_task(_await(Steps(asyncio.Event().wait())))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    clock.run(_all())

"""A deadline counts the time in which a coroutine could have gone on, and that which it took for itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from trainyard_trainer.deadlines import Deadline, Steps


async def _over(seconds: float, meanwhile: Callable[[], Awaitable[Any]], own: float = 0.0) -> tuple[bool, float]:
    """Whether the loop was blocked for longer than could be added, and the seconds until the time was up."""
    told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    began = time.monotonic()
    deadline = Deadline(seconds, lambda: own, told.set_result, 0.05)
    other = asyncio.ensure_future(meanwhile())
    starved = await told
    deadline.stop()
    other.cancel()
    return starved, time.monotonic() - began


async def _block_for(seconds: float) -> None:
    await asyncio.sleep(0)
    time.sleep(seconds)  # noqa: ASYNC251


def test_time_in_which_others_kept_the_thread_is_added() -> None:
    """After half a second of somebody else's, 0.6 seconds are still as long as they were."""
    starved, took = asyncio.run(_over(0.6, lambda: _block_for(0.5)))
    assert took > 1.0
    assert not starved


async def _always() -> None:
    while True:
        await _block_for(0.3)


@pytest.mark.parametrize(("own", "starved"), [(0.0, True), (1000.0, False)])
def test_a_loop_that_is_always_blocked_ends_a_wait_all_the_same(own: float, starved: bool) -> None:
    """At most the same time is added, and it is said where that wasn't enough: not if the waiter itself blocks it."""
    assert asyncio.run(_over(0.2, _always, own))[0] is starved


def test_a_deadline_that_was_stopped_is_never_over() -> None:
    """Not even where it was stopped twice, and late."""

    async def _stopped() -> list[bool]:
        told: list[bool] = []
        deadline = Deadline(0.01, lambda: 0.0, told.append, 0.05)
        deadline.stop()
        deadline.stop()
        await asyncio.sleep(0.1)
        return told

    assert asyncio.run(_stopped()) == []


def test_steps_count_what_a_coroutine_keeps_for_itself() -> None:
    """Not what it waits for; what it returns, raises and is cancelled with goes through."""

    async def _works() -> str:
        time.sleep(0.1)  # noqa: ASYNC251
        await asyncio.sleep(0.3)
        time.sleep(0.1)  # noqa: ASYNC251
        return "done"

    async def _fails() -> None:
        await asyncio.sleep(0)
        raise KeyError("no such key")

    async def _await(steps: Steps) -> Any:
        return await steps

    async def _all() -> None:
        began, steps = time.monotonic(), Steps(_works())
        assert await steps == "done"
        assert 0.2 <= steps.seconds <= time.monotonic() - began - 0.3
        with pytest.raises(KeyError, match="no such key"):
            await Steps(_fails())
        task = asyncio.create_task(_await(Steps(asyncio.Event().wait())))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(_all())

"""Tasks of an environment end alone; tasks of everybody else are what they were."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from trainyard_trainer.rollouts.child_tasks import TaskExitedError, contained


async def leaves(kind: type[BaseException]) -> None:
    """Wants to end the process."""
    await asyncio.sleep(0)
    raise kind("mine")


async def inside(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a task gives that is started where tasks are contained."""
    with contained():
        task = asyncio.create_task(coroutine)
    return await task


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_task_that_would_end_the_loop_fails_with_its_line(kind: type[BaseException]) -> None:
    """The exit is the cause, and where it was raised stands in the text."""
    line = leaves.__code__.co_firstlineno + 3
    with pytest.raises(TaskExitedError, match=rf"{kind.__name__}: mine at {__file__}:{line}") as failed:
        asyncio.run(inside(leaves(kind)))
    assert isinstance(failed.value.__cause__, kind)


def test_results_errors_and_cancellations_go_through() -> None:
    """A contained task is otherwise a task like any other."""

    async def value() -> int:
        return 7

    async def _cancelled() -> bool:
        with contained():
            task = asyncio.create_task(asyncio.sleep(3600))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(inside(value())) == 7
    with pytest.raises(ValueError, match="mine"):
        asyncio.run(inside(leaves(ValueError)))
    assert asyncio.run(_cancelled())


def test_a_task_that_is_started_outside_is_not_contained() -> None:
    """The run's own exit ends the run."""

    async def _outside() -> None:
        with contained():
            pass
        await asyncio.create_task(leaves(SystemExit))

    with pytest.raises(SystemExit, match="mine"):
        asyncio.run(_outside())

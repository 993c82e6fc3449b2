"""Tasks that an environment starts: one that wants to end the process fails its conversation, not the run.

Place in the data's way: station 5, between environments and the event loop that all conversations share. A loop ends
with the SystemExit or KeyboardInterrupt of any task, so none may reach it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from trainyard_trainer.errors import TrainerError
from trainyard_trainer.user_code import explain

_INSIDE: ContextVar[bool] = ContextVar("inside", default=False)
"""Whether an environment is at work: the tasks that it starts, and theirs, inherit it."""


class TaskExitedError(TrainerError):
    """A task of an environment raised SystemExit or KeyboardInterrupt, which is the cause."""


@contextmanager
def contained() -> Iterator[None]:
    """Keeps what tasks started inside the block raise from ending the event loop."""
    loop = asyncio.get_running_loop()
    if loop.get_task_factory() is None:
        loop.set_task_factory(_make_task)
    _INSIDE.set(True)
    try:
        yield
    finally:
        _INSIDE.set(False)


def _make_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    return asyncio.Task(_Contained(coroutine) if _INSIDE.get() else coroutine, loop=loop, **options)


class _Contained(Coroutine[Any, Any, Any]):
    """Wraps a coroutine so that it raises nothing which would end its loop."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        return _or_exited(lambda: self._coroutine.send(value))

    def throw(self, error: Any, value: Any = None, traceback: TracebackType | None = None) -> Any:  # noqa: ARG002
        return _or_exited(lambda: self._coroutine.throw(error))

    def close(self) -> None:
        _or_exited(self._coroutine.close)


def _or_exited(step: Callable[[], Any]) -> Any:
    try:
        return step()
    except (SystemExit, KeyboardInterrupt) as error:
        raise TaskExitedError(explain(error)) from error

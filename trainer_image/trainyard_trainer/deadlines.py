"""Time-outs of a user's coroutines that share one event loop: none is blamed for the time that another one took.

Place in the data's way: station 5, for environments, and station 6, in the worker of rewards. A coroutine that blocks
the thread keeps all others from noticing that their answers have come; that time isn't theirs.
"""

from __future__ import annotations

# By name: a user's code may put something else into the module.
from asyncio import TimerHandle, current_task, get_running_loop
from collections.abc import Awaitable, Callable, Generator
from time import monotonic
from typing import Any

_LEFT: list[Any] = []
"""Coroutines that would not end, kept so that nobody closes them: they would not heed that either."""


class Steps:
    """Awaits something and counts the seconds in which that kept the thread.

    Attributes:
        seconds: of its own steps so far, without those in which it waited.
        cancels: how often it has cancelled the task that it runs in, and not taken it back.
        given_up: set to have the next cancellation end the wait, whatever the awaited code makes of it.

    Args:
        awaitable: what is awaited.
    """

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        self.seconds = 0.0
        self.cancels = 0
        self.given_up = False
        self._awaitable = awaitable

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine = self._run()
        step: Callable[[Any], Any] = coroutine.send
        given: Any = None
        while True:
            began, cancelled = monotonic(), _cancelled()
            try:
                waited_for = step(given)
            except StopIteration as ended:
                return ended.value
            finally:
                self.seconds += monotonic() - began
                self.cancels = max(0, self.cancels + _cancelled() - cancelled)
            try:
                step, given = coroutine.send, (yield waited_for)
            except BaseException as error:  # thrown in by the loop: it is the coroutine's to catch
                if self.given_up:
                    _LEFT.append(coroutine)
                    raise
                step, given = coroutine.throw, error

    async def _run(self) -> Any:
        return await self._awaitable


def _cancelled() -> int:
    task = current_task()
    return 0 if task is None else task.cancelling()


class Deadline:
    """Ends a wait after so many seconds in which the loop was free, or the waiter itself ran.

    Timers that come late tell how long the loop was blocked. At most the same time is added: a loop may be blocked for
    ever, by what a coroutine has left behind.

    Args:
        seconds: that may pass.
        own: seconds that the waiter itself has kept the thread; they aren't added.
        when_over: called once the time is up; whether the loop was blocked for longer than could be added.
        look_seconds: how often the loop is looked at.
    """

    def __init__(
        self, seconds: float, own: Callable[[], float], when_over: Callable[[bool], None], look_seconds: float
    ) -> None:
        self._seconds = seconds
        self._own = own
        self._when_over = when_over
        self._look_seconds = look_seconds
        self._blocked = 0.0
        self._began = self._due = monotonic()
        self._timer: TimerHandle | None = None
        self._wait(seconds)

    def stop(self) -> None:
        """Cancels the deadline; may be called again."""
        if self._timer is not None:
            self._timer.cancel()

    def taken(self) -> float:
        """Returns the seconds so far in which others kept the thread."""
        late = max(0.0, monotonic() - self._due)
        return max(0.0, self._blocked + late - self._own())

    def _wait(self, left: float) -> None:
        seconds = min(left, self._look_seconds)
        self._due = monotonic() + seconds
        self._timer = get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        now = monotonic()
        taken = self.taken()
        left = self._began + self._seconds + min(taken, self._seconds) - now
        self._blocked += max(0.0, now - self._due)
        if left > 0:
            self._wait(left)
        else:
            self._when_over(taken > self._seconds)

"""Coroutines of rewards on one event loop: each has an outcome of its own, whatever the others do.

Place in the data's way: station 6, inside the worker's process. A coroutine may raise anything, exit, block the thread,
cancel its neighbours, stop the loop or leave tasks behind. It may not keep the others from their outcome, nor the
process from the next call.
"""

from __future__ import annotations

# By name: a user's code may put something else into the module.
from asyncio import AbstractEventLoop, CancelledError, Task, all_tasks, current_task, new_event_loop, set_event_loop
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from math import inf
from time import monotonic
from typing import Any, Final
from weakref import WeakKeyDictionary

from trainyard_trainer.deadlines import Deadline, Steps
from trainyard_trainer.rewards.reward import RewardFunction
from trainyard_trainer.rewards.values import NoValue, RewardValue, placed, read_value
from trainyard_trainer.trajectory import Trajectory
from trainyard_trainer.user_code import explain

LOOK_SECONDS: Final = 0.25
"""How often it is seen whether the loop is blocked, and said that it isn't."""
LEAVE_SECONDS: Final = 1.0
"""How long tasks that were left behind may take to end."""
BLOCKED_SHARE: Final = 0.1
"""Share of a call's time: where others kept the thread for more, a time-out of the user's own isn't believed."""

Outcome = RewardValue | NoValue | None
"""None: nothing can be said of a call, for what others did. It must be made again, alone."""
_CALL: ContextVar[int] = ContextVar("call")
"""The call that a task works for."""
_abandoned: list[Any] = []
"""Tasks that didn't end. They are kept, for an error at their collection would hit another call."""


@dataclass(frozen=True, slots=True)
class UserReward:
    """Holds a user's reward: its function, whether that is a coroutine function, its files, and where it is defined."""

    function: RewardFunction
    awaited: bool
    files: tuple[str | None, ...]
    place: str | None

    def read(self, returned: Any, trajectory: Trajectory) -> RewardValue | NoValue:
        """Reads what it returned as numbers."""
        return placed(read_value(returned, trajectory), self.place)

    def raised(self, error: BaseException) -> NoValue:
        """Says what is wrong when it raised this error."""
        return NoValue(f"raised {explain(error, *self.files, place=self.place)}")

    def took_too_long(self, seconds: float) -> RewardValue | NoValue:
        """Says what is wrong when its time is up."""
        return placed(NoValue(took_too_long(seconds)), self.place)


@dataclass(frozen=True, slots=True)
class Call:
    """Holds a coroutine of a reward, and the seconds that it may take."""

    number: int
    reward: UserReward
    trajectory: Trajectory
    seconds: float


class SideBySide:
    """Awaits calls together, until each has its outcome.

    Args:
        calls: coroutines of rewards, each with its time-out.
        tell: is given each outcome, once, as it is known.
        turning: called now and then, as long as the loop turns.
        alone: there is one call, and whatever happens is its own doing.
    """

    def __init__(
        self,
        calls: Iterable[Call],
        tell: Callable[[int, Outcome], None],
        turning: Callable[[], None],
        *,
        alone: bool = False,
    ) -> None:
        self._open = {call.number: call for call in calls}
        self._tell = tell
        self._turning = turning
        self._alone = alone
        self._loop: AbstractEventLoop
        self._stop: Callable[[], None] = lambda: None
        self._owners: WeakKeyDictionary[Task[Any], int] = WeakKeyDictionary()

    def run(self) -> None:
        """Returns when each call has its outcome; tasks that were left behind are cancelled."""
        broken: BaseException = RuntimeError("the event loop ended before the call")
        try:
            self._loop = new_event_loop()
            self._stop = self._loop.stop
            set_event_loop(self._loop)
            self._loop.set_task_factory(self._make_task)
            for call in self._open.values():
                task = self._loop.create_task(self._await(call))
                task.add_done_callback(partial(self._end, call, CancelledError("before it began")))
            self._beat()
            self._spin(lambda: not self._open)
        except BaseException as error:  # noqa: BLE001 (a user may have broken the loop in any way)
            broken = error
        for call in list(self._open.values()):
            self._end(call, broken)
        with suppress(BaseException):  # of a loop that is broken; all outcomes are told
            self._wind_down()

    async def _await(self, call: Call) -> None:
        _CALL.set(call.number)
        self._turning()
        steps = Steps(_ask(call))
        deadline = Deadline(
            call.seconds,
            (lambda: inf) if self._alone else (lambda: steps.seconds),
            partial(self._time_is_up, call, current_task()),
            LOOK_SECONDS,
        )
        began = monotonic()
        try:
            outcome: Outcome = call.reward.read(await steps, call.trajectory)
            if steps.seconds > call.seconds:
                outcome = call.reward.took_too_long(call.seconds)
        except BaseException as error:  # noqa: BLE001 (a user's code may raise anything; it fails this call)
            others = BLOCKED_SHARE * (monotonic() - began) < deadline.taken()
            outcome = None if self._is_doubtful(error, others) else call.reward.raised(error)
        deadline.stop()
        self._settle(call, outcome)

    def _is_doubtful(self, error: BaseException, blocked: bool) -> bool:
        """Says whether other calls may have caused an error: they cancelled the call, or made it late."""
        if self._alone:
            return False
        task = current_task()
        cancelled = issubclass(type(error), CancelledError) and task is not None and task.cancelling() > 0
        return cancelled or (blocked and issubclass(type(error), TimeoutError))

    def _time_is_up(self, call: Call, task: Task[Any] | None, starved: bool) -> None:
        self._settle(call, None if starved else call.reward.took_too_long(call.seconds))
        if task is not None:
            task.cancel()

    def _end(self, call: Call, error: BaseException, _: object = None) -> None:
        """Ends a call with this error, unless it has an outcome already."""
        self._settle(call, call.reward.raised(error) if self._alone else None)

    def _settle(self, call: Call, outcome: Outcome) -> None:
        if self._open.pop(call.number, None) is None:
            return
        self._tell(call.number, outcome)
        if not self._open:
            self._stop()

    def _beat(self) -> None:
        if self._open:
            self._turning()
            self._loop.call_later(LOOK_SECONDS, self._beat)

    def _make_task(self, loop: AbstractEventLoop, coroutine: Any, **options: Any) -> Task[Any]:
        task = Task(coroutine, loop=loop, **options)
        number = _CALL.get(None)
        if number is not None:
            self._owners[task] = number
        return task

    def _spin(self, done: Callable[[], bool]) -> None:
        """Turns the loop until `done`, whatever is raised through it.

        Raises:
            Exception: the loop itself is broken.
        """
        while not done():
            try:
                self._loop.run_forever()
            except Exception:
                raise
            except BaseException as error:  # noqa: BLE001 (a task's exit ends a loop; the others' tasks go on)
                self._exited(error)

    def _exited(self, error: BaseException) -> None:
        """Fails the call whose task, or a task of it, wanted to end the process."""
        exiting = {
            number
            for task, number in list(self._owners.items())
            if task.done() and not task.cancelled() and task.exception() is error
        }
        for call in list(self._open.values()):
            if self._alone or call.number in exiting:
                self._settle(call, call.reward.raised(error))

    def _wind_down(self) -> None:
        left = all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._wait_for(left)
        self._wait_for([self._loop.create_task(self._loop.shutdown_asyncgens())])
        _abandoned.extend(all_tasks(self._loop))
        self._loop.close()
        set_event_loop(None)

    def _wait_for(self, tasks: Collection[Task[Any]]) -> None:
        until = monotonic() + LEAVE_SECONDS
        for task in tasks:
            task.add_done_callback(lambda _: self._stop())
        self._loop.call_later(LEAVE_SECONDS, self._stop)
        self._spin(lambda: monotonic() >= until or all(task.done() for task in tasks))


def took_too_long(seconds: float) -> str:
    """Says that a reward's time is up."""
    return f"took longer than {seconds:g} seconds"


async def _ask(call: Call) -> Any:
    returned: Any = call.reward.function(call.trajectory)
    return await returned

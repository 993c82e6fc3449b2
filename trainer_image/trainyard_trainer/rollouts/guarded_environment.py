"""Calls of environments: the user's code, kept from harming more than its own conversation.

Place in the data's way: station 5, between rollouts and the tasks' environments. What an environment raises, how long
it takes and whatever it returns end here as a `FailedEnvironmentError` with words for the user. Code that blocks the
thread instead of awaiting can't be interrupted: that is for tools in processes or threads of their own. Others get the
time back that it took from them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from trainyard_trainer.deadlines import Deadline, Steps
from trainyard_trainer.environment import Environment, Observation, PolicyTurn, Question, Said, is_said
from trainyard_trainer.errors import TrainerError
from trainyard_trainer.rollouts.child_tasks import TaskExitedError, contained
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.trajectory import CallOutcome
from trainyard_trainer.user_code import explain_method, type_name

STEP_SECONDS = 60.0
"""Seconds that an environment may take for one reset or step."""
END_SECONDS = 5.0
"""Seconds that one may take to end once its time is up; then it is left where it stands."""
LOOK_SECONDS = 1.0
"""How often it is seen whether another environment, or the sampler, keeps the thread."""


class FailedEnvironmentError(TrainerError):
    """An environment raised, took too long, or answered what isn't an answer; the text says which."""


class GuardedEnvironment:
    """Calls the environment of one conversation, with a time limit.

    Args:
        task: makes it.
        seconds: how long one reset or step may take.

    Raises:
        FailedEnvironmentError: the task raises.
    """

    def __init__(self, task: Task, seconds: float = STEP_SECONDS) -> None:
        self._seconds = seconds
        try:
            self._environment: Environment = task.environment()
        except BaseException as error:
            raise FailedEnvironmentError(explain_method(error, task, "environment")) from error

    async def reset(self, question: Question) -> Said:
        """Asks the environment what the policy is asked.

        Raises:
            FailedEnvironmentError: see the class.
        """
        return await self._call("reset", lambda: self._environment.reset(question), _require_said)

    async def step(self, turn: PolicyTurn) -> Observation:
        """Asks the environment what follows from a policy turn.

        Raises:
            FailedEnvironmentError: see the class.
        """
        return await self._call("step", lambda: self._environment.step(turn), _require_observation)

    async def _call(self, name: str, ask: Callable[[], Awaitable[Any]], require: Callable[[Any], None]) -> Any:
        task = asyncio.current_task()
        cancelled = task.cancelling() if task else 0
        steps, limit = Steps(_asked(ask)), asyncio.timeout(None)
        try:
            with contained():
                async with limit:
                    found = await self._in_time(steps, limit)
        except BaseException as error:
            if task is not None and issubclass(type(error), asyncio.CancelledError):
                if steps.given_up:
                    task.uncancel()
                if task.cancelling() > cancelled + steps.cancels:
                    raise  # somebody ends the conversation
                for _ in range(steps.cancels):
                    task.uncancel()
            late = f"took longer than {self._seconds:g} seconds" if limit.expired() else None
            raise FailedEnvironmentError(late or self._why(name, error)) from error
        try:
            require(found)
        except FailedEnvironmentError:
            raise
        except BaseException as error:
            raise FailedEnvironmentError(self._why(name, error)) from error
        return found

    async def _in_time(self, steps: Steps, limit: asyncio.Timeout) -> Any:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        last: list[asyncio.TimerHandle] = []

        def give_up() -> None:
            steps.given_up = True
            if task is not None:
                task.cancel()

        def end(_: bool) -> None:
            limit.reschedule(loop.time())
            last.append(loop.call_later(END_SECONDS, give_up))

        over = Deadline(self._seconds, lambda: steps.seconds, end, LOOK_SECONDS)
        try:
            found = await steps
            if steps.cancels:
                await asyncio.sleep(0)  # it has cancelled its own conversation: here, not when the policy is asked next
            return found
        finally:
            over.stop()
            for timer in last:
                timer.cancel()

    def _why(self, name: str, error: BaseException) -> str:
        exited = error.__cause__ if type(error) is TaskExitedError else None
        return explain_method(exited or error, self._environment, name)


async def _asked(ask: Callable[[], Awaitable[Any]]) -> Any:
    return await ask()


def _require_observation(found: Any) -> None:
    if not isinstance(found, Observation):
        raise FailedEnvironmentError(f"step returned {type_name(found)}, not an Observation")
    if not (found.answer is None or isinstance(found.answer, str)):
        raise FailedEnvironmentError("step's Observation has an answer that is no str")
    if found.success not in (True, False):
        raise FailedEnvironmentError("step's Observation has a success that is no bool")
    if not isinstance(found.calls, tuple) or not all(map(_is_outcome, found.calls)):
        raise FailedEnvironmentError("step's Observation has calls that are no tuple of CallOutcomes: str, str, bool")
    if not found.done:
        _require_said(found.reply, "step")


def _is_outcome(call: Any) -> bool:
    texts = isinstance(call, CallOutcome) and isinstance(call.call, str) and isinstance(call.result, str)
    return texts and call.ok in (True, False)


def _require_said(said: Any, who: str = "reset") -> None:
    if not is_said(said):
        raise FailedEnvironmentError(f"{who} said {type_name(said)}, neither a str nor a tuple of Messages of texts")

"""Calls of environments: the user's code, kept from harming more than its own conversation.

Place in the data's way: station 5, between rollouts and the tasks' environments. What an environment raises, how long
it takes and whatever it returns end here as a `FailedEnvironmentError` with words for the user. Code that blocks the
thread instead of awaiting can't be interrupted: that is for tools in processes or threads of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from trainyard_trainer.seams import Environment, Message, Observation, PolicyTurn, Question, Said
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.trajectory import CallOutcome
from trainyard_trainer.user_code import explain, file_of

STEP_SECONDS = 60.0
"""Seconds that an environment may take for one reset or step."""


class FailedEnvironmentError(Exception):
    """An environment raised, took too long, or answered what isn't an answer; the text says which."""


class GuardedEnvironment:
    """The environment of one conversation.

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
        except (Exception, SystemExit) as error:
            raise FailedEnvironmentError(explain(error, file_of(type(task)))) from error

    async def reset(self, question: Question) -> Said:
        """What the policy is asked.

        Raises:
            FailedEnvironmentError: see the class.
        """
        return _said("reset", await self._call(lambda: self._environment.reset(question)))

    async def step(self, turn: PolicyTurn) -> Observation:
        """The consequence of a policy turn.

        Raises:
            FailedEnvironmentError: see the class.
        """
        found = await self._call(lambda: self._environment.step(turn))
        if not isinstance(found, Observation):
            raise FailedEnvironmentError(f"step returned {type(found).__name__}, not an Observation")
        if not (found.answer is None or isinstance(found.answer, str)):
            raise FailedEnvironmentError("step's Observation has an answer that is no str")
        if found.success not in (True, False):
            raise FailedEnvironmentError("step's Observation has a success that is no bool")
        if not isinstance(found.calls, tuple) or not all(map(_is_outcome, found.calls)):
            raise FailedEnvironmentError(
                "step's Observation has calls that are no tuple of CallOutcomes: str, str, bool"
            )
        if not found.done:
            _said("step", found.reply)
        return found

    async def _call(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                return await ask()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise FailedEnvironmentError(self._why(error)) from error
        except (Exception, SystemExit) as error:
            late = limit.expired() and isinstance(error, TimeoutError)
            why = f"took longer than {self._seconds:g} seconds" if late else self._why(error)
            raise FailedEnvironmentError(why) from error

    def _why(self, error: BaseException) -> str:
        return explain(error, file_of(type(self._environment)))


def _is_outcome(call: Any) -> bool:
    texts = isinstance(call, CallOutcome) and isinstance(call.call, str) and isinstance(call.result, str)
    return texts and call.ok in (True, False)


def _said(who: str, said: Any) -> Said:
    messages = isinstance(said, tuple) and said and all(isinstance(one, Message) for one in said)
    if not messages and not isinstance(said, str):
        raise FailedEnvironmentError(f"{who} said {type(said).__name__}, neither a str nor a tuple of Messages")
    return said

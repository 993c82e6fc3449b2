"""The program that calls a user's rewards, in a process of its own: a thread can't be killed, a process can.

Place in the data's way: station 6, at the other end of `worker_process`. `python -m trainyard_trainer.rewards.worker
FD` reads pickled requests from a socket (the trainer's, so to be trusted) and answers in JSON (a user's, so not). Knows
no weights, no time-outs of synchronous rewards (whoever waits kills it), no secrets.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import pickle
import sys
from collections.abc import Awaitable, Sequence
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

from trainyard_api.names import REWARD_ENTRY_POINTS
from trainyard_trainer.rewards.reward import RewardFunction
from trainyard_trainer.rewards.values import NoValue, RewardValue, read_value
from trainyard_trainer.trajectory import Trajectory
from trainyard_trainer.user_code import ModuleError, explain, file_of, import_file, place_of, public_names

Job = tuple[int, str, int, float]
"""Number of the job, name of the reward, index of the trajectory, seconds that it may take."""


class Worker:
    """Rewards by name, called on request.

    Args:
        answers: the socket to the trainer.
    """

    def __init__(self, answers: Connection) -> None:
        self._socket = answers
        self._functions: dict[str, RewardFunction] = {}

    def serve(self) -> None:
        """Do what is asked until the trainer closes its end."""
        while True:
            try:
                request = pickle.loads(self._socket.recv_bytes())  # noqa: S301 (the trainer's own)
            except EOFError:
                return
            if "load" in request:
                self._say(self._load(request["load"], request["module"]))
            else:
                self._score(request["trajectories"], request["jobs"])

    def _load(self, names: Sequence[str], path: str | None) -> dict[str, Any]:
        """Find rewards; answer what is wrong with the module, or with each of them."""
        try:
            module = import_file(Path(path)) if path else None
        except ModuleError as error:
            return {"module": str(error)}
        has = public_names(module) if module else []
        return {"found": {name: self._find(name, module) for name in names}, "module_has": has}

    def _find(self, name: str, module: ModuleType | None) -> dict[str, Any]:
        """Where a reward was found, and what is wrong with it."""
        if module is not None and hasattr(module, name):
            function, where = getattr(module, name), f"{name} of {module.__file__}"
            return {"in_module": True, "problem": self._keep(name, function, where)}
        point = next(iter(entry_points(group=REWARD_ENTRY_POINTS, name=name)), None)
        if point is None:
            return {"in_module": False, "problem": None}
        where = f"its entry point {point.value}"
        try:
            function = point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 (a user's code may raise anything at import)
            return {"in_module": False, "problem": f"{where} can't be imported; {explain(error)}"}
        return {"in_module": False, "problem": self._keep(name, function, where)}

    def _keep(self, name: str, function: Any, where: str) -> str | None:
        """Remember a reward, unless something is wrong with it."""
        if not callable(function):
            return f"{where} isn't callable"
        try:
            inspect.signature(function).bind(None)
        except TypeError:
            return f"{where} must take one argument, the trajectory; it takes {inspect.signature(function)}"
        except ValueError:
            pass  # a builtin without a signature: it may still be called
        self._functions[name] = function
        return None

    def _score(self, trajectories: Sequence[Trajectory], jobs: Sequence[Job]) -> None:
        waiting = [job for job in jobs if _is_async(self._functions[job[1]])]
        if waiting:
            self._say({"began": [job[0] for job in waiting], "parallel": True})
            asyncio.run(self._together(trajectories, waiting))
        for number, name, index, _ in (job for job in jobs if not _is_async(self._functions[job[1]])):
            self._say({"began": [number], "parallel": False})
            self._answer(number, name, self._call(self._functions[name], trajectories[index]))

    def _call(self, function: RewardFunction, trajectory: Trajectory) -> RewardValue | NoValue:
        try:
            return _placed(read_value(function(trajectory), trajectory), function)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (a user's code may raise anything; it fails this one)
            return NoValue(f"raised {explain(error, file_of(function))}")

    async def _together(self, trajectories: Sequence[Trajectory], jobs: Sequence[Job]) -> None:
        await asyncio.gather(*(self._await(job, trajectories[job[2]]) for job in jobs))

    async def _await(self, job: Job, trajectory: Trajectory) -> None:
        number, name, _, seconds = job
        function = self._functions[name]
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                awaited: Awaitable[Any] = function(trajectory)
                value = _placed(read_value(await awaited, trajectory), function)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (as above)
            late = limit.expired() and isinstance(error, TimeoutError)
            value = NoValue(took_too_long(seconds) if late else f"raised {explain(error, file_of(function))}")
        self._answer(number, name, value)

    def _answer(self, number: int, name: str, value: RewardValue | NoValue) -> None:
        if isinstance(value, NoValue):
            self._say({"job": number, "reward": name, "problem": value.problem})
        else:
            self._say({"job": number, "reward": name, "total": value.total, "by_turn": value.by_turn})

    def _say(self, answer: dict[str, Any]) -> None:
        self._socket.send_bytes(json.dumps(answer).encode())


def took_too_long(seconds: float) -> str:
    """What is said of a reward whose time is up."""
    return f"took longer than {seconds:g} seconds"


def _is_async(function: RewardFunction) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _placed(value: RewardValue | NoValue, function: RewardFunction) -> RewardValue | NoValue:
    """A value that isn't one has no traceback, so the function's own place is named."""
    place = place_of(function)
    return NoValue(f"{value.problem} at {place}") if isinstance(value, NoValue) and place else value


if __name__ == "__main__":
    Worker(Connection(int(sys.argv[1]))).serve()

"""The program that calls a user's rewards, in a process of its own: a thread can't be killed, a process can.

Place in the data's way: station 6, at the other end of `worker_process`. `python -m trainyard_trainer.rewards.worker
FD` reads pickled requests from a socket (the trainer's, so to be trusted) and answers in JSON (a user's, so not). Knows
no weights, no time-outs of synchronous rewards (whoever waits kills it), no secrets. Before a call, it says which; it
may not come back from it.
"""

from __future__ import annotations

import inspect
import json
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NoReturn

from trainyard_api.names import REWARD_ENTRY_POINTS
from trainyard_trainer.rewards.reward import RewardFunction
from trainyard_trainer.rewards.values import NoValue, RewardValue
from trainyard_trainer.rewards.worker_loop import Call, Outcome, SideBySide, UserReward
from trainyard_trainer.trajectory import Trajectory
from trainyard_trainer.user_code import (
    AttributeUnreadableError,
    ModuleError,
    explain,
    file_of,
    import_file,
    place_of,
    public_names,
    read_attribute,
    unfit_signature,
)

Job = tuple[int, str, int, float]
"""Number of the job, name of the reward, index of the trajectory, seconds that it may take."""
_ABSENT: Final = object()


class Worker:
    """Calls rewards by name, on request.

    Args:
        answers: the socket to the trainer.
    """

    def __init__(self, answers: Connection) -> None:
        self._socket = answers
        self._process = os.getpid()
        self._rewards: dict[str, UserReward] = {}

    def serve(self) -> None:
        """Handles requests until the trainer closes its end."""
        while True:
            try:
                request = pickle.loads(self._socket.recv_bytes())  # noqa: S301 (the trainer's own)
            except (EOFError, ConnectionError):
                return
            if "load" in request:
                self._say(self._load(request["load"], request["module"]))
            else:
                self._score(request["trajectories"], request["jobs"], alone=request["alone"])
                self._say({"finished": True})

    def _load(self, names: Sequence[str], path: str | None) -> dict[str, Any]:
        """Finds rewards; answers what is wrong with the module, or with each of them."""
        try:
            module = import_file(Path(path)) if path else None
        except ModuleError as error:
            return {"module": str(error)}
        has = public_names(module) if module else []
        return {"found": {name: self._find(name, module, path) for name in names}, "module_has": has}

    def _find(self, name: str, module: ModuleType | None, path: str | None) -> dict[str, Any]:
        """Finds a reward; says where it was found and what is wrong with it."""
        try:
            function = _ABSENT if module is None else read_attribute(module, name, _ABSENT)
        except AttributeUnreadableError as error:
            return {"in_module": True, "problem": f"{path}: {error}"}
        if function is not _ABSENT:
            return {"in_module": True} | self._keep(name, function, f"{name} of {path}", path)
        point = next(iter(entry_points(group=REWARD_ENTRY_POINTS, name=name)), None)
        if point is None:
            return {"in_module": False, "problem": None}
        where = f"its entry point {point.value}"
        self._say({"importing": name, "where": where})
        try:
            function = point.load()
        except BaseException as error:  # noqa: BLE001 (a user's code may raise anything at import)
            return {"in_module": False, "problem": f"{where} can't be imported; {explain(error)}"}
        return {"in_module": False} | self._keep(name, function, where, None)

    def _keep(self, name: str, function: Any, where: str, path: str | None) -> dict[str, Any]:
        """Remembers a reward, unless something is wrong with it."""
        if not callable(function):
            return {"problem": f"{where} isn't callable"}
        if (takes := unfit_signature(function, 1)) is not None:
            return {"problem": f"{where} must take one argument, the trajectory; it takes {takes}"}
        place = place_of(function)
        self._rewards[name] = UserReward(function, _is_async(function), (path, file_of(function)), place)
        return {"problem": None, "place": place}

    def _score(self, trajectories: Sequence[Trajectory], jobs: Sequence[Job], *, alone: bool) -> None:
        """Calls coroutines together and then the others one by one; with `alone`, all one by one."""
        together = [] if alone else [job for job in jobs if self._rewards[job[1]].awaited]
        if len(together) < 2:
            together = []
        else:
            self._say({"began": [job[0] for job in together], "awaited": True})
            self._await(trajectories, together, alone=False)
        done = {job[0] for job in together}
        for number, name, index, seconds in (job for job in jobs if job[0] not in done):
            reward = self._rewards[name]
            self._say({"began": [number], "awaited": reward.awaited})
            if reward.awaited:
                self._await(trajectories, [(number, name, index, seconds)], alone=True)
            else:
                self._answer(number, _call(reward, trajectories[index]))

    def _await(self, trajectories: Sequence[Trajectory], jobs: Sequence[Job], *, alone: bool) -> None:
        calls = [Call(number, self._rewards[name], trajectories[index], limit) for number, name, index, limit in jobs]
        SideBySide(calls, self._answer, lambda: self._say({"turning": True}), alone=alone).run()
        _forget_alarm()

    def _answer(self, number: int, outcome: Outcome) -> None:
        if outcome is None:
            self._say({"job": number, "again": True})
        elif isinstance(outcome, NoValue):
            self._say({"job": number, "problem": outcome.problem})
        else:
            self._say({"job": number, "total": outcome.total, "by_turn": outcome.by_turn})

    def _say(self, answer: dict[str, Any]) -> None:
        if os.getpid() != self._process:
            os._exit(1)  # a reward has forked, and its child came back here: it has nothing to say
        try:
            self._socket.send_bytes(json.dumps(answer).encode())
        except OSError:
            os._exit(1)  # nobody listens any more


def _call(reward: UserReward, trajectory: Trajectory) -> RewardValue | NoValue:
    try:
        return reward.read(reward.function(trajectory), trajectory)
    except BaseException as error:  # noqa: BLE001 (a user's code may raise anything; it fails this call)
        return reward.raised(error)
    finally:
        _forget_alarm()


def _forget_alarm() -> None:
    """Clears an alarm that a reward may have left set, for it would hit the next one."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def _is_async(function: RewardFunction) -> bool:
    try:
        return any(map(inspect.iscoroutinefunction, (function, getattr(function, "__call__", None))))  # noqa: B004
    except BaseException:  # noqa: BLE001 (a user's object may raise anything when it is looked at)
        return False


def _main(descriptor: int) -> NoReturn:
    """Serves, then ends the process at once, for Python would wait for threads that a reward has left behind."""
    code = 1
    os.set_inheritable(descriptor, False)
    try:
        Worker(Connection(descriptor)).serve()
        code = 0
    except BaseException:  # noqa: BLE001 (the process ends, and says why)
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


if __name__ == "__main__":
    _main(int(sys.argv[1]))

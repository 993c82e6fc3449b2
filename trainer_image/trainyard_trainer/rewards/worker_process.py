"""A warm process that calls a user's rewards, and is killed when one of them hangs.

Place in the data's way: station 6, at the trainer's end of `worker`. Started as a fresh interpreter, never forked, so
neither threads nor a GPU's context are copied. The process gets no variable that holds a secret of the trainer, yet
runs as the same user in the same pod: this keeps accidents apart, not an attacker.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from trainyard_trainer.errors import TrainerError
from trainyard_trainer.rewards.values import NoValue, RewardValue
from trainyard_trainer.rewards.worker import Job, took_too_long
from trainyard_trainer.seams import RolloutInterruptedError
from trainyard_trainer.trajectory import Trajectory

SECRET_VARIABLES = re.compile(r"(TRAINYARD|AWS|PG|WANDB|MLFLOW)_?.*|HF_TOKEN|HUGGING_FACE_HUB_TOKEN", re.IGNORECASE)
"""Names of environment variables that the process doesn't get."""
START_SECONDS = 120.0
"""Seconds that the import of a user's code may take."""
PARALLEL_GRACE_SECONDS = 2.0
"""Seconds beyond their time-out that coroutines have to notice it; then one of them blocks all the others."""
MAX_VAIN_STARTS = 3
POLL_SECONDS = 0.1
MAX_ANSWER_BYTES = 1 << 20


class _LostError(Exception):
    """The process ended, or had to be ended; the text says why."""


@dataclass(slots=True)
class _Begun:
    """Jobs that the process is at, and until when it may be."""

    numbers: set[int]
    deadline: float
    problem: str


class RewardWorker:
    """Rewards by name, called in a process of their own; see `reward.RewardCaller`.

    Args:
        names: rewards that it must know.
        module: the user's module, where names are looked up first.
        interrupted: asked while something is waited for; True ends the waiting.
    """

    def __init__(self, names: Sequence[str], module: Path | None, interrupted: Callable[[], bool]) -> None:
        self._names = tuple(names)
        self._module = module
        self._interrupted = interrupted
        self._socket: Connection | None = None
        self._end: Callable[[], Any] = lambda: None

    def load(self) -> dict[str, Any]:
        """Start the process if it doesn't run, and have it find the rewards.

        Returns:
            `module`: what is wrong with the module; or `found`: for each name, whether it is `in_module` and its
            `problem`, if any, and `module_has`: the names that the module defines.

        Raises:
            TrainerError: the process ended while it imported the user's code, or took too long over that.
            RolloutInterruptedError: a stop was asked for.
        """
        self._start()
        try:
            self._send({"load": self._names, "module": str(self._module) if self._module else None})
            return self._receive(time.monotonic() + START_SECONDS, "took too long over its imports")
        except _LostError as error:
            raise TrainerError(f"the reward worker {error} while it imported the user's code") from error

    def call(
        self, timeouts: dict[str, float], trajectories: Sequence[Trajectory]
    ) -> dict[str, list[RewardValue | NoValue]]:
        """Call every reward on every trajectory; coroutines together, the others one after the other.

        What the process can't survive, a time-out or its own end, fails the calls that it was at; the others are made
        in a new one.
        """
        pairs = [(name, index) for name in timeouts for index in range(len(trajectories))]
        open_jobs: dict[int, Job] = {
            number: (number, name, index, timeouts[name]) for number, (name, index) in enumerate(pairs)
        }
        values: dict[int, RewardValue | NoValue] = {}
        vain = 0
        while open_jobs:
            before = len(open_jobs)
            if self._socket is None:
                self.load()
            lost = self._run(trajectories, open_jobs, values)
            vain = 0 if len(open_jobs) < before else vain + 1
            if vain == MAX_VAIN_STARTS:
                raise TrainerError(f"the reward worker {lost} {vain} times in a row, between two rewards")
        return {name: [values[number] for number, (other, _) in enumerate(pairs) if other == name] for name in timeouts}

    def close(self) -> None:
        """End the process and everything that it has started."""
        self._end()
        self._socket = None

    def _run(
        self, trajectories: Sequence[Trajectory], jobs: dict[int, Job], values: dict[int, RewardValue | NoValue]
    ) -> str | None:
        """Move jobs to values until none is left, or the process is lost and why."""
        begun = _Begun(set(), time.monotonic() + START_SECONDS, "didn't begin")
        try:
            self._send({"trajectories": list(trajectories), "jobs": list(jobs.values())})
            while jobs:
                answer = self._receive(begun.deadline, begun.problem)
                if "began" in answer:
                    begun = self._begun(answer, jobs)
                elif (number := answer.get("job")) in jobs:
                    values[number] = _value(answer)
                    del jobs[number]
        except _LostError as error:
            for number in begun.numbers & jobs.keys():
                values[number] = NoValue(str(error))
                del jobs[number]
            return str(error)
        return None

    def _begun(self, answer: Mapping[str, Any], jobs: Mapping[int, Job]) -> _Begun:
        numbers = {number for number in answer["began"] if number in jobs}
        seconds = max((jobs[number][3] for number in numbers), default=START_SECONDS)
        grace = PARALLEL_GRACE_SECONDS if answer.get("parallel") else 0.0
        return _Begun(numbers, time.monotonic() + seconds + grace, took_too_long(seconds))

    def _start(self) -> None:
        self.close()
        ours, theirs = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if not SECRET_VARIABLES.fullmatch(name)}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        command = [sys.executable, "-m", "trainyard_trainer.rewards.worker", str(theirs.fileno())]
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
        )
        theirs.close()
        self._socket = Connection(ours.detach())
        self._end = weakref.finalize(self, _kill, process, self._socket)

    def _send(self, request: dict[str, Any]) -> None:
        if self._socket is None:
            raise _LostError("isn't there")
        try:
            self._socket.send_bytes(pickle.dumps(request))
        except OSError as error:
            raise self._lost("ended its process") from error

    def _receive(self, deadline: float, problem: str) -> dict[str, Any]:
        """The next answer of the process, which must come before `deadline`, else `problem` is its end."""
        while self._socket is not None:
            try:
                if self._socket.poll(POLL_SECONDS):
                    answer = json.loads(self._socket.recv_bytes(MAX_ANSWER_BYTES))
                    return answer if isinstance(answer, dict) else {}
            except (EOFError, OSError, ValueError) as error:
                raise self._lost("ended its process") from error
            if self._interrupted():
                self.close()
                raise RolloutInterruptedError
            if time.monotonic() > deadline:
                raise self._lost(problem)
        raise _LostError("isn't there")

    def _lost(self, problem: str) -> _LostError:
        self.close()
        return _LostError(problem)


def _value(answer: Mapping[str, Any]) -> RewardValue | NoValue:
    if "problem" in answer:
        return NoValue(str(answer["problem"]))
    by_turn = answer["by_turn"]
    return RewardValue(float(answer["total"]), None if by_turn is None else tuple(map(float, by_turn)))


def _kill(process: subprocess.Popen[bytes], connection: Connection) -> None:
    """End the process' whole session, for a reward may have started others."""
    connection.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

"""A warm process that calls a user's rewards, and is killed when one of them hangs.

Place in the data's way: station 6, at the trainer's end of `worker`. Decides which call is at fault when the process is
lost: one that was made alone, in a process where no other had left anything behind.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainyard_trainer.errors import TrainerError
from trainyard_trainer.rewards.values import NoValue, RewardValue, placed
from trainyard_trainer.rewards.worker import Job
from trainyard_trainer.rewards.worker_connection import LostError, WorkerConnection
from trainyard_trainer.rewards.worker_loop import took_too_long
from trainyard_trainer.trajectory import Trajectory

START_SECONDS = 120.0
"""Seconds that the import of a user's code may take."""
GRACE_SECONDS = 2.0
"""Seconds beyond their time-out that coroutines have to notice it; then one of them blocks all the others."""
FINISH_SECONDS = 10.0
"""Seconds between two calls, in which what a call has left behind is ended."""
MAX_VAIN_STARTS = 3


@dataclass(slots=True)
class _Begun:
    """Holds the calls that the process is working on, and until when it may.

    `first`: no reward was called in this process before. `last` is when coroutines are given up even while their loop
    turns.
    """

    numbers: frozenset[int]
    deadline: float
    problem: str
    first: bool = True
    last: float = math.inf


@dataclass(slots=True)
class _Work:
    """Holds the calls of one step: open ones in the order in which they are made, and the values of the others.

    `alone`: coroutines are called one by one, too. `suspected` were at work when a process died in which others had
    been called before.
    """

    trajectories: Sequence[Trajectory]
    jobs: dict[int, Job]
    values: dict[int, RewardValue | NoValue] = field(default_factory=dict)
    alone: bool = False
    suspected: set[int] = field(default_factory=set)

    def progress(self) -> tuple[int, bool, int]:
        """Returns a value that differs once a process has achieved something."""
        return len(self.values), self.alone, len(self.suspected)

    def settle(self, number: int, value: RewardValue | NoValue) -> None:
        """Keeps the value of a call."""
        self.values[number] = value
        del self.jobs[number]

    def suspect(self, number: int) -> None:
        """Makes a call the first one in the next process."""
        self.suspected.add(number)
        self.jobs = {number: self.jobs[number]} | self.jobs


class RewardWorker:
    """Calls rewards by name in a process of their own; see `reward.RewardCaller`.

    Args:
        names: rewards that it must know.
        module: the user's module, where names are looked up first.
        interrupted: asked while something is waited for; True ends the waiting.
    """

    def __init__(self, names: Sequence[str], module: Path | None, interrupted: Callable[[], bool]) -> None:
        self._names = tuple(names)
        self._module = module
        self._interrupted = interrupted
        self._places: dict[str, str | None] = {}
        self._process: WorkerConnection | None = None

    def load(self) -> dict[str, Any]:
        """Starts the process anew and has it find the rewards.

        Returns:
            `module`: what is wrong with the module; or `died`: the reward whose package ended the process, and
            `problem`; or `found`: for each name, whether it is `in_module` and its `problem`, if any, and
            `module_has`: the names that the module defines.

        Raises:
            TrainerError: the process was killed while it imported the user's code, or took too long over that.
            DroppedError: a stop was asked for.
        """
        self.close()
        self._process = process = WorkerConnection(self._interrupted)
        importing: Mapping[str, Any] = {}
        try:
            process.send({"load": self._names, "module": str(self._module) if self._module else None})
            while True:
                answer = process.receive(time.monotonic() + START_SECONDS, "took too long over its imports")
                if "importing" not in answer:
                    break
                importing = answer
        except LostError as error:
            self._process = None
            if not error.died or error.killed or not (importing or self._module):
                raise TrainerError(f"the reward worker {error} while it imported the user's code") from error
            if importing:
                return {"died": importing["importing"], "problem": f"{importing['where']} {error} when it was imported"}
            return {"module": f"{error} when it was imported; {self._module}"}
        self._places = {name: one.get("place") for name, one in answer.get("found", {}).items()}
        return answer

    def call(
        self, timeouts: dict[str, float], trajectories: Sequence[Trajectory]
    ) -> dict[str, list[RewardValue | NoValue]]:
        """Calls every reward on every trajectory; coroutines together, the others one after the other.

        What the process can't survive, a time-out or its own end, fails the call that it was at. Where it was at many,
        those without an answer are made again in a new one, each alone, so that only the one at fault fails. A call
        that was made alone when a process ended in which others had been called before is made again as the first of
        a new one.

        Raises:
            TrainerError: the process ends again and again between two calls, or can't be started again.
            DroppedError: a stop was asked for.
        """
        pairs = [(name, index) for name in timeouts for index in range(len(trajectories))]
        jobs = {number: (number, name, index, timeouts[name]) for number, (name, index) in enumerate(pairs)}
        work, vain = _Work(trajectories, jobs), 0
        while work.jobs:
            before = work.progress()
            lost = self._run(self._process or self._started_again(), work)
            vain = 0 if work.progress() != before else vain + 1
            if vain == MAX_VAIN_STARTS:
                raise TrainerError(f"the reward worker {lost} {vain} times in a row, between two rewards")
        numbers = iter(range(len(pairs)))
        return {name: [work.values[next(numbers)] for _ in trajectories] for name in timeouts}

    def close(self) -> None:
        """Ends the process and everything that it has started."""
        if self._process is not None:
            self._process.close()
        self._process = None

    def _started_again(self) -> WorkerConnection:
        found = self.load()
        problems = [
            found.get("module"),
            found.get("problem"),
            *(one["problem"] for one in found.get("found", {}).values()),
        ]
        for problem in filter(None, problems):
            raise TrainerError(f"the reward worker can't be started again: {problem}")
        if self._process is None:
            raise TrainerError("the reward worker can't be started again")
        return self._process

    def _run(self, process: WorkerConnection, work: _Work) -> str:
        """Settles calls until all were made or the process is lost; returns why no more were."""
        begun = _Begun(frozenset(), time.monotonic() + START_SECONDS, "didn't begin")
        try:
            process.send(
                {"trajectories": list(work.trajectories), "jobs": list(work.jobs.values()), "alone": work.alone}
            )
            while "finished" not in (answer := process.receive(begun.deadline, begun.problem)):
                try:
                    begun = self._begin(process, answer, work) if "began" in answer else begun
                    self._heed(answer, begun, work)
                except (KeyError, TypeError, ValueError) as error:
                    raise process.lost("said what is no answer") from error
        except LostError as error:
            self._process = None
            self._blame(error, begun, work)
            return str(error)
        if work.jobs:
            self.close()  # those that others got in the way of are made in a new one
            work.alone = True
        return "gave no answer"

    def _begin(self, process: WorkerConnection, answer: Mapping[str, Any], work: _Work) -> _Begun:
        numbers = frozenset(answer["began"]) & work.jobs.keys()
        limits = [work.jobs[number][3] for number in numbers]
        now, seconds = time.monotonic(), max(limits)
        grace = GRACE_SECONDS if answer["awaited"] else 0.0
        first, process.unused = process.unused, False
        # Alone, the time is up once; of many, it begins anew as long as the loop turns.
        last = now + seconds + grace if len(numbers) == 1 else now + 2 * sum(limits) + grace
        return _Begun(numbers, min(last, now + seconds + grace), took_too_long(seconds), first, last)

    def _heed(self, answer: Mapping[str, Any], begun: _Begun, work: _Work) -> None:
        number = answer.get("job")
        if number in work.jobs and "again" not in answer:
            work.settle(number, _value(answer))
        left = [work.jobs[number][3] for number in begun.numbers & work.jobs.keys()]
        now = time.monotonic()
        begun.deadline = min(begun.last, now + max(left) + GRACE_SECONDS) if left else now + FINISH_SECONDS

    def _blame(self, error: LostError, begun: _Begun, work: _Work) -> None:
        """Settles the call at which the process was lost, if it is known to be at fault."""
        if len(begun.numbers) > 1:
            work.alone = True
            return
        for number in begun.numbers & work.jobs.keys():
            if error.died and not begun.first and number not in work.suspected:
                work.suspect(number)
                work.alone = True
            else:
                work.settle(number, placed(NoValue(str(error)), self._places.get(work.jobs[number][1])))


def _value(answer: Mapping[str, Any]) -> RewardValue | NoValue:
    if "problem" in answer:
        return NoValue(str(answer["problem"]))
    by_turn = answer["by_turn"]
    return RewardValue(float(answer["total"]), None if by_turn is None else tuple(map(float, by_turn)))

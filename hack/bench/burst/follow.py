"""Submits a burst and looks at it until all pods run: how many, and what the operator's process has used."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hack.bench.burst.engines import Engine
from hack.bench.burst.plane import Plane

LOOK_SECONDS: Final = 1.0
"""Time between two looks: what the seconds of a burst are exact to."""


@dataclass(frozen=True)
class Usage:
    """What a process has used: seconds of processor, and MiB of resident memory, now and at most."""

    cpu: float = 0.0
    resident: float = 0.0
    peak: float = 0.0


@dataclass(frozen=True)
class Sample:
    """A look: seconds since the first object was submitted, pods that exist, pods that run."""

    seconds: float
    pods: int
    running: int
    usage: Usage


@dataclass(frozen=True)
class Burst:
    """A burst of `count` objects.

    `samples` are all looks; the first is before anything was submitted. `idle` is the share of a core that the process
    uses once all pods run. `writes` counts the writes to TrainingJobs and Checkpoints, those that submit them included.
    """

    count: int
    samples: list[Sample]
    idle: float
    writes: int

    @property
    def seconds(self) -> float | None:
        """Returns the seconds until all pods ran; None where the limit came first."""
        last = self.samples[-1]
        return last.seconds if last.running >= self.count else None

    @property
    def cpu_per_job(self) -> float:
        """Returns the process's seconds of processor for one object, until all pods ran."""
        return (self.samples[-1].usage.cpu - self.samples[0].usage.cpu) / self.count


@dataclass(frozen=True)
class Plan:
    """How a burst is made: how many objects, seconds to wait for all pods, to settle, and to be watched after that."""

    count: int
    limit: float
    settle: float
    watch: float


def follow(plane: Plane, engine: Engine, plan: Plan, say: Callable[[str], None]) -> Burst:
    """Submits the objects one after the other, by one client, and looks once a second.

    Raises:
        OSError: the API server refused one.
    """
    samples = [Sample(0.0, 0, 0, usage(engine.pid))]
    began = time.monotonic()

    def submit() -> None:
        for number in range(plan.count):
            plane.create(engine.path, engine.made(f"j{number:05d}"))

    with ThreadPoolExecutor(1) as pool:
        submitted = pool.submit(submit)
        while samples[-1].running < plan.count and samples[-1].seconds < plan.limit:
            time.sleep(LOOK_SECONDS)
            samples.append(_look(plane, engine, began))
            say(_said(samples[-1], submitted))
            if submitted.done():
                submitted.result()
    time.sleep(plan.settle)
    before = usage(engine.pid)
    time.sleep(plan.watch)
    idle = (usage(engine.pid).cpu - before.cpu) / plan.watch
    return Burst(plan.count, samples, idle, plane.writes())


def usage(pid: int | None) -> Usage:
    """Reads what a process has used; nothing without a process."""
    if pid is None:
        return Usage()
    # The second field is the program's name in parentheses and may hold anything; count after it.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    lines = dict(line.split(":", 1) for line in status if ":" in line)
    resident, peak = (int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return Usage((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), resident, peak)


def _look(plane: Plane, engine: Engine, began: float) -> Sample:
    pods = plane.pods()
    running = sum(pod["status"].get("phase") == "Running" for pod in pods)
    return Sample(time.monotonic() - began, len(pods), running, usage(engine.pid))


def _said(sample: Sample, submitted: Future[None]) -> str:
    used = sample.usage
    state = "" if submitted.done() else ", submitting"
    shown = f", {used.cpu:.1f} s of processor, {used.resident:.0f} MiB" if used.peak else ""
    return f"{sample.seconds:6.1f} s: {sample.pods} pods, {sample.running} running{shown}{state}"

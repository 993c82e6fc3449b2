"""A burst is followed until all pods run or the limit comes, and what it used is that process's own."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest

from hack.bench.burst import follow as module
from hack.bench.burst.engines import Engine
from hack.bench.burst.follow import Burst, Plan, Sample, Usage, follow, usage


@dataclass
class Server:
    """Runs so many of the objects that are created."""

    runs: int
    created: list[str] = field(default_factory=list)

    def create(self, path: str, body: str) -> None:
        self.created.append(f"{path}/{body}")

    def pods(self) -> list[dict]:
        phases = ["Running" if index < self.runs else "Pending" for index in range(len(self.created))]
        return [{"status": {"phase": phase}} for phase in phases]

    def writes(self) -> int:
        return 7


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks a hundred times a second."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)


def test_a_burst_ends_when_all_pods_run() -> None:
    """Submits every object once, and tells each look."""
    server, told = Server(3), []
    burst = follow(server, Engine("/jobs", str, os.getpid()), Plan(3, 600, 0, 0.01), told.append)
    assert server.created == ["/jobs/j00000", "/jobs/j00001", "/jobs/j00002"]
    assert burst.seconds == burst.samples[-1].seconds
    assert (burst.samples[0].pods, burst.samples[-1].running, burst.writes) == (0, 3, 7)
    assert len(told) == len(burst.samples) - 1
    assert "3 pods, 3 running" in told[-1]


def test_a_burst_that_does_not_come_to_its_end_has_no_seconds() -> None:
    """Gives up at the limit, and keeps what ran by then."""
    burst = follow(Server(2), Engine("/jobs", str), Plan(3, 0.05, 0, 0.01), lambda _: None)
    assert burst.seconds is None
    assert burst.samples[-1].running == 2


def test_a_refused_object_ends_the_burst() -> None:
    """Raises what the server said, rather than wait for a pod that never comes."""

    class Refusing(Server):
        def create(self, path: str, body: str) -> None:
            raise OSError(f"{path}: refused {body}")

    with pytest.raises(OSError, match="/jobs: refused j00000"):
        follow(Refusing(0), Engine("/jobs", str), Plan(1, 600, 0, 0.01), lambda _: None)


def test_usage_is_of_the_process() -> None:
    """Reads this process's processor time and memory, and nothing without a process."""
    first = usage(os.getpid())
    while usage(os.getpid()).cpu == first.cpu:  # ends: it is this loop that uses the processor
        pass
    assert 1 < first.resident <= first.peak
    assert usage(None) == Usage()


def test_the_processor_s_time_is_shared_out_over_the_jobs() -> None:
    """Counts from the first look on: what starting took is no job's."""
    samples = [Sample(0, 0, 0, Usage(cpu=5)), Sample(2, 4, 4, Usage(cpu=7))]
    assert Burst(4, samples, 0, 0).cpu_per_job == 0.5

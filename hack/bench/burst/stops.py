"""`python -m hack.bench.burst.stops`: how long it takes until N running jobs, suspended at once, are told to stop.

Prints a table, from the API server's audit log: from the edit of a job, and from the operator's decision on record, to
the deletion of its pod, which is when a kubelet sends SIGTERM. The controllers have their default limits, so that
whoever waited for the garbage collector would wait for 20 requests a second. kwok plays the nodes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from hack.bench.burst import kwok
from hack.bench.burst.engines import operator
from hack.bench.burst.follow import Plan, follow
from hack.bench.burst.plane import Plane, plane
from hack.bench.machine import processor
from hack.bench.rounds import markdown

HERE: Final = Path(__file__).parents[3]
HEADER: Final = ["from", "median s", "99 % s", "most s"]
_BUDGET: Final = "trainyard-operator-budget"


@dataclass(frozen=True)
class Stop:
    """When a job was told to stop, in seconds since the epoch."""

    edited: float
    decided: float | None
    """When the operator's record was answered; None: it wrote none before the pod was deleted."""
    deleted: float
    by_operator: bool
    """Whether the operator, and not the garbage collector, deleted the pod."""


def stops(events: Iterable[Mapping[str, Any]], since: float) -> dict[str, Stop]:
    """Finds of each job the edit, the decision and the first deletion of its pod; what is incomplete is left out."""
    edited: dict[str, float] = {}
    decided: dict[str, float] = {}
    deleted: dict[str, tuple[float, bool]] = {}
    for event in events:
        reference, verb, uri = event["objectRef"], event["verb"], event["requestURI"]
        at = _seconds(event["requestReceivedTimestamp"])
        if at < since or event["responseStatus"]["code"] >= 300:
            continue
        name = reference.get("name", "")
        if reference["resource"] == "trainingjobs" and verb == "patch" and "subresource" not in reference:
            edited.setdefault(name, at)
        elif reference["resource"] == "trainingjobs" and uri.endswith(f"?fieldManager={_BUDGET}"):
            # A merge patch: what is applied, as the cost, is forced.
            decided.setdefault(name, _seconds(event["stageTimestamp"]))
        elif reference["resource"] == "pods" and verb == "delete":
            job = name.rsplit("-", 2)[0]
            deleted.setdefault(job, (_seconds(event["stageTimestamp"]), "python" in event.get("userAgent", "").lower()))
    found = {}
    for name, begin in edited.items():
        if name in deleted:
            end, ours = deleted[name]
            found[name] = Stop(begin, decided.get(name), end, ours)
    return found


def rows(found: Iterable[Stop]) -> list[list[str]]:
    """Returns a line for each beginning: median, 99th percentile and most of the seconds to the deletion."""
    all_of_them = list(found)
    decisions = [stop.deleted - stop.decided for stop in all_of_them if stop.decided is not None]
    return [
        _row("edit to SIGTERM", [stop.deleted - stop.edited for stop in all_of_them]),
        _row("decision to SIGTERM", decisions),
    ]


def _row(name: str, seconds: Sequence[float]) -> list[str]:
    if not seconds:
        return [name, "", "", ""]
    ordered = sorted(seconds)
    late = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return [name, *(f"{each:.2f}" for each in (statistics.median(ordered), late, ordered[-1]))]


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _suspend(running: Plane, path: str, count: int, limit: float) -> dict[str, Stop]:
    """Suspends all jobs, one after the other, by one client; waits until all pods are deleted."""
    since = time.time()
    for number in range(count):
        running.merge(f"{path}/j{number:05d}", {"spec": {"suspend": True}})
    end = time.monotonic() + limit
    while len(found := stops(running.audited(), since)) < count and time.monotonic() < end:
        time.sleep(1)
    return found


def main(arguments: Sequence[str]) -> int:
    """Prints the table; returns 1 where not all pods were stopped."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.burst.stops", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000, help="jobs that run and are suspended")
    parser.add_argument("--root", type=Path, default=HERE, help="checkout of the operator; by default this one")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds after which it is given up")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="trainyard-stops-") as folder:
        directory, program = Path(folder), kwok.ensure()
        with (
            plane(directory / "plane", program, default_limits=True) as running,
            operator(asked.root.resolve(), running, directory) as engine,
        ):
            follow(running, engine, Plan(asked.jobs, asked.limit, 5.0, 0.1), lambda _: None)
            found = _suspend(running, engine.path, asked.jobs, asked.limit)
    print(*markdown(HEADER, rows(found.values())), sep="\n")
    ours = sum(stop.by_operator for stop in found.values())
    print(f"{len(found)} of {asked.jobs} jobs stopped; of {ours} the operator deleted the pod")
    print(
        f"{processor()}, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}; controllers at 20 requests/s"
    )
    return 0 if len(found) == asked.jobs else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

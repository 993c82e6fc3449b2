"""`python -m hack.bench.burst`: from N submitted objects to N running pods, by the operator and by bare Jobs.

Prints a table. Each row has a control plane of its own, with 10 nodes that kwok plays; rounds alternate the two, and
figures are medians. The peer is Kubernetes' Job controller alone, with the same pods and the same client: no operator
that makes Jobs can be faster. `--root` measures the operator of another checkout.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol

from hack.bench.burst import kwok
from hack.bench.burst.engines import Engine, jobs_alone, operator
from hack.bench.burst.follow import Burst, Plan, follow
from hack.bench.burst.plane import Plane, plane
from hack.bench.machine import processor
from hack.bench.rounds import markdown

HERE: Final = Path(__file__).parents[3]
PEER: Final = "Jobs alone"
OURS: Final = "ours"
HEADER: Final = ["engine", "seconds (min-max)", "pods/s", "x Jobs", "CPU s / job", "writes / job", "MiB (peak)", "idle"]


class Start(Protocol):
    """Starts an engine on a plane, with a directory for its files."""

    def __call__(self, plane: Plane, directory: Path, /) -> AbstractContextManager[Engine]:
        """Gives the engine, ready."""


def measure(start: Start, program: kwok.Kwok, plan: Plan, name: str) -> Burst:
    """Makes one burst on a fresh plane."""
    with tempfile.TemporaryDirectory(prefix="trainyard-burst-") as folder:
        directory = Path(folder)
        with plane(directory / "plane", program) as running, start(running, directory) as engine:
            return follow(running, engine, plan, lambda text: print(f"  {name} {text}", file=sys.stderr, flush=True))


def rows(bursts: dict[str, Sequence[Burst]]) -> list[list[str]]:
    """Returns a line for each engine: medians over rounds, the ratio to the peer of the same round."""
    return [_row(name, each, bursts[PEER]) for name, each in bursts.items()]


def _row(name: str, bursts: Sequence[Burst], peers: Sequence[Burst]) -> list[str]:
    seconds = [burst.seconds for burst in bursts if burst.seconds is not None]
    if len(seconds) < len(bursts):
        least = min(burst.samples[-1].running for burst in bursts)
        return [name, f"only {least} of {bursts[0].count} ran", *[""] * (len(HEADER) - 2)]
    middle = statistics.median(seconds)
    ratios = [own / peer.seconds for own, peer in zip(seconds, peers, strict=True) if peer.seconds is not None]
    found = [
        name,
        f"{middle:.1f} ({min(seconds):.1f}-{max(seconds):.1f})",
        f"{bursts[0].count / middle:.1f}",
        f"{statistics.median(ratios):.2f}" if ratios else "",
    ]
    if name == PEER:
        return [*found, "", "", "", ""]
    used = bursts[0].samples[0].usage
    return [
        *found,
        f"{statistics.median(burst.cpu_per_job for burst in bursts):.3f}",
        f"{statistics.median(burst.writes / burst.count for burst in bursts):.1f}",
        f"{used.resident:.0f} ({max(burst.samples[-1].usage.peak for burst in bursts):.0f})",
        f"{100 * statistics.median(burst.idle for burst in bursts):.0f} %",
    ]


def main(arguments: Sequence[str]) -> int:
    """Prints the table; returns 1 where not all pods ran."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.burst", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000, help="objects of a burst")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--root", type=Path, default=HERE, help="checkout of the operator; by default this one")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds after which a burst is given up")
    parser.add_argument("--settle", type=float, default=20.0, help="seconds between the last pod and the idle figure")
    parser.add_argument("--watch", type=float, default=30.0, help="seconds of the idle figure")
    asked = parser.parse_args(arguments)
    program = kwok.ensure()
    plan = Plan(asked.jobs, asked.limit, asked.settle, asked.watch)
    starts: dict[str, Start] = {PEER: jobs_alone, OURS: partial(operator, asked.root.resolve())}
    bursts: dict[str, list[Burst]] = {name: [] for name in starts}
    for _ in range(asked.rounds):
        for name, start in starts.items():
            quick = plan if name == OURS else Plan(asked.jobs, asked.limit, 0.0, 0.1)
            bursts[name].append(measure(start, program, quick, name))
    print(*markdown(HEADER, rows({name: list(each) for name, each in bursts.items()})), sep="\n")
    print(f"{asked.jobs} objects at once, medians of {asked.rounds} rounds; operator of {asked.root.resolve()}")
    versions = ", ".join(f"{package} {version(package)}" for package in ("kopf", "kubernetes"))
    print(f"{processor()}, load {os.getloadavg()[0]:.1f}, threads: 1, Python {sys.version.split()[0]}, {versions}")
    return 0 if all(burst.seconds is not None for each in bursts.values() for burst in each) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

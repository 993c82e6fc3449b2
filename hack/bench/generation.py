"""Generation: transformers' `generate` and `generate_batch`, TRL as shipped, and the trainer's engine, side by side.

`python -m hack.bench.generation` prints a table: in one run the same weights, prompts, lengths and threads for all,
rounds that alternate the engines, medians over rounds. Before, each engine's tokens are held against the model. Peaks
of memory are taken in a process of their own, which isn't timed.

Two more runs of ours say where its gain comes from: once every row has a prompt of its own, which takes the shared
prefill away; once every row goes on to the longest, as it would in a batch that is kept together until all have ended.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch

from hack.bench.agreement import require_agreement
from hack.bench.generators import ENGINES, Generate
from hack.bench.machine import circumstances
from hack.bench.memory import MIB, QUIET_MALLOC, resident_peak
from hack.bench.models import make_model, parameters_of
from hack.bench.rounds import CLOCKS, Rounds, alternated, markdown
from hack.bench.workloads import CASES, Workload, make_workload

BASE, OURS = "generate dynamic", "ours"
UNSHARED, TO_LONGEST = "ours, prompts unshared", "ours, to the longest"
HEADER = (
    "case", "engine", "tokens/s", "seconds (min-max)", "x dynamic", "by prefill", "by the tail", "MiB (*)", "nats (+)",
)  # fmt: skip

NOTES = """\
Tokens of use only. `generate` isn't compiled, with a static cache either: on a CPU it compiles nothing.
`generate_batch` with a limit by row; starting and stopping it isn't counted. Ours gives log-probabilities too.
By prefill, by the tail: shares of what ours saves over `generate dynamic` that are lost where every row has a prompt
of its own, and where every row goes on to the longest. They overlap, and needn't add up.
(*) peak of resident memory above what was there before, in a process of its own; weights, and what `generate_batch`
holds between calls, aren't counted. (+) how much less probable than the best a greedy token was at most.
""".splitlines()


@dataclass(frozen=True, slots=True)
class Measured:
    """One case: seconds of engines and of ours without this and that, peaks in bytes, gaps of greedy tokens in nats."""

    workload: Workload
    rounds: Rounds
    peaks: Mapping[str, int]
    gaps: Mapping[str, float]


def open_all(stack: ExitStack, workload: Workload, engines: Sequence[str], *, without: bool) -> dict[str, Generate]:
    """Opens the engines around the same weights; with `without`, also ours without each of its gains."""
    model = make_model(workload.model)
    runs = {name: stack.enter_context(ENGINES[name](model, workload)) for name in engines}
    if without and OURS in engines:
        if workload.shared:
            runs[UNSHARED] = stack.enter_context(ENGINES[OURS](model, workload.unshared()))
        if workload.ragged:
            runs[TO_LONGEST] = stack.enter_context(ENGINES[OURS](model, workload.to_longest()))
    return runs


def measure(workload: Workload, engines: Sequence[str], repeats: int, clock: str, *, memory: bool) -> Measured:
    """Checks, times and weighs the engines.

    Raises:
        DisagreementError: an engine doesn't sample from the model.
    """
    gaps = require_agreement(make_model(workload.model), workload, engines)
    with ExitStack() as stack:
        rounds = alternated(open_all(stack, workload, engines, without=True), repeats, clock)
    return Measured(workload, rounds, _peaks(workload.name, engines) if memory else {}, gaps)


def weigh(workload: Workload, engines: Sequence[str]) -> dict[str, int]:
    """Measures each engine's peak of resident memory, in bytes above what was there before its run."""
    peaks: dict[str, int] = {}
    for name in engines:
        with ExitStack() as stack:
            (generate,) = open_all(stack, workload, [name], without=False).values()
            with resident_peak() as memory:
                generate()
        peaks[name] = memory.above
    return peaks


def _peaks(case: str, engines: Sequence[str]) -> dict[str, int]:
    """Runs `weigh` in a process of its own."""
    command = [sys.executable, "-m", "hack.bench.generation", "--case", case, "--weigh", "--engines", *engines]
    environment = os.environ | QUIET_MALLOC | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    printed = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    peaks: dict[str, int] = json.loads(printed.splitlines()[-1])
    return peaks


def rows(measured: Measured, engines: Sequence[str]) -> list[list[str]]:
    """Makes the table's rows of one case."""
    workload, rounds = measured.workload, measured.rounds
    return [
        [
            workload.name,
            name,
            f"{workload.tokens / rounds.median(name):,.0f}",
            rounds.spread(name),
            f"{rounds.speedup(name, BASE):.2f}" if BASE in engines else "",
            _share(rounds, name, UNSHARED),
            _share(rounds, name, TO_LONGEST),
            f"{measured.peaks[name] / MIB:,.0f}" if name in measured.peaks else "",
            f"{measured.gaps[name]:.0e}",
        ]
        for name in engines
    ]


def _share(rounds: Rounds, engine: str, without: str) -> str:
    if engine != OURS or without not in rounds.seconds or BASE not in rounds.seconds:
        return ""
    share = rounds.share(engine, BASE, without)
    return "" if share is None else f"{100 * share:.0f} %"


def notes(done: Sequence[Measured]) -> list[str]:
    """Lists what one has to know to read the table."""
    lines = [*NOTES]
    for measured in done:
        workload = measured.workload
        groups = len(set(workload.prompts))
        lines.append(
            f"{workload.name}: {workload.model} ({parameters_of(make_model(workload.model)):,} parameters, float32), "
            f"{groups} prompts x {len(workload.prompts) // groups} of {len(workload.prompts[0])} tokens, "
            f"{workload.tokens:,} to sample, {min(workload.lengths)} to {max(workload.lengths)} in a row; "
            f"log-probabilities of ours are off by {measured.gaps['ours, sampled']:.0e} nats at most."
        )
    return lines


def main() -> None:
    """Parses the command line; prints a table, or as a child the peaks as JSON."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.generation", description=__doc__)
    parser.add_argument("--case", choices=[*CASES, "all"], default="all")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that are timed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="cpu: of this process, on a busy machine")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES), metavar="ENGINE")
    parser.add_argument("--no-memory", action="store_true", help="leave the peaks of memory out")
    parser.add_argument("--weigh", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("hack.bench").setLevel(logging.INFO)
    torch.set_num_threads(options.threads)
    cases = CASES if options.case == "all" else [options.case]
    workloads = [make_workload(case, prompts=options.prompts, group=options.group) for case in cases]
    if options.weigh:
        print(json.dumps(weigh(workloads[0], options.engines)))
        return
    done = []
    for workload in workloads:
        done.append(measure(workload, options.engines, options.repeats, options.clock, memory=not options.no_memory))
        print(*markdown(HEADER, rows(done[-1], options.engines)), sep="\n", file=sys.stderr, flush=True)
    print(*markdown(HEADER, [row for one in done for row in rows(one, options.engines)]), sep="\n")
    print("", *notes(done), f"Medians of {options.repeats} rounds, alternated, by the {options.clock} clock.", sep="\n")
    print(*circumstances(["transformers", "trl"]), sep="\n")


if __name__ == "__main__":
    main()

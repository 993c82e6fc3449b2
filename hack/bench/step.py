"""A whole GRPO step, TRL's and the trainer's: rollout, reward, advantages, one update of all weights.

`python -m hack.bench.step` prints a table: in one run the same first weights, prompts, groups, lengths and rewards for
both, rounds that alternate them, medians over rounds. TRL runs in its own loop with its defaults, less gradient
checkpointing; two more of its ways show which part of its time is its fallback for machines without Triton.
"""

from __future__ import annotations

import argparse
import copy
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hack.bench.machine import circumstances
from hack.bench.models import make_model, parameters_of
from hack.bench.own_step import OwnStep
from hack.bench.rounds import CLOCKS, Rounds, markdown
from hack.bench.trl_step import COMPLETIONS, PLAIN, SHIPPED, WAYS, Timer, TrainingPlan, train
from hack.bench.workloads import CASES, Workload, make_workload

OURS = "ours"
HEADER = ("engine", "rollout s", "update s", "step s (min-max)", "x TRL")
log = logging.getLogger("hack.bench.step")


class UnequalWorkError(Exception):
    """An engine sampled more or fewer tokens than it was told to."""


def reward(token_ids: Sequence[int]) -> float:
    """Scores a row so that rewards differ within a group and every row has an advantage."""
    return sum(token_ids) % 97 / 97


def measure(workload: Workload, repeats: int, clock: str, rows_per_pass: int) -> dict[str, Rounds]:
    """Measures rounds of `rollout`, `update` and `step`, after one round that isn't timed.

    Raises:
        UnequalWorkError: an engine sampled another number of tokens than the workload has.
    """
    model, now = make_model(workload.model), CLOCKS[clock]
    own = OwnStep(copy.deepcopy(model), workload, reward)
    recorded: dict[str, list[Mapping[str, Any]]] = {name: [] for name in (*WAYS, OURS)}

    def record(name: str, seconds: Mapping[str, Any]) -> None:
        if seconds["tokens"] != workload.tokens:
            raise UnequalWorkError(f"{name}: sampled {seconds['tokens']} tokens, not {workload.tokens}")
        log.info("%s: rollout %.2f s, update %.2f s", name, seconds["rollout"], seconds["update"])
        recorded[name].append(seconds)

    timer = Timer(now, record, lambda: record(OURS, own.run(now)))
    train(model, workload, TrainingPlan(reward, repeats + 1, rows_per_pass), timer)
    timed = {name: steps[1:] for name, steps in recorded.items()}
    return {
        "rollout": Rounds({name: [step["rollout"] for step in steps] for name, steps in timed.items()}),
        "update": Rounds({name: [step["update"] for step in steps] for name, steps in timed.items()}),
        "step": Rounds({name: [step["rollout"] + step["update"] for step in steps] for name, steps in timed.items()}),
    }


def rows(measured: Mapping[str, Rounds]) -> list[list[str]]:
    """Makes the table's rows."""
    return [
        [
            name,
            f"{measured['rollout'].median(name):.2f}",
            f"{measured['update'].median(name):.2f}",
            measured["step"].spread(name),
            f"{measured['step'].speedup(name, SHIPPED):.2f}",
        ]
        for name in (*WAYS, OURS)
    ]


def explained(measured: Mapping[str, Rounds]) -> str:
    """Says where what ours saves over TRL comes from."""
    step, update, rollout = measured["step"], measured["update"], measured["rollout"]
    saved = step.median(SHIPPED) - step.median(OURS)
    parts = {
        "in the rollout": rollout.median(SHIPPED) - rollout.median(OURS),
        "because TRL's CPU fallback scores prompts and padding": update.median(SHIPPED) - update.median(COMPLETIONS),
        "because of its tiles in torch": update.median(COMPLETIONS) - update.median(PLAIN),
        "in what remains of the update": update.median(PLAIN) - update.median(OURS),
    }
    told = ", ".join(f"{seconds:.2f} s {where}" for where, seconds in parts.items())
    fair = step.speedup(OURS, PLAIN)
    return (
        f"Ours saves {saved:.2f} s of a step: {told}. Against TRL without its CPU fallback it is {fair:.2f} x as fast."
    )


def main() -> None:
    """Parses the command line and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.step", description=__doc__)
    parser.add_argument("--case", choices=[case for case in CASES if case != "g1"], default="lognormal")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that are timed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="cpu: of this process, on a busy machine")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--rows-per-pass", type=int, default=8, help="TRL's per_device_train_batch_size")
    options = parser.parse_args()
    if options.prompts * options.group % options.rows_per_pass:
        parser.error(f"--rows-per-pass must divide prompts x group; got {options.rows_per_pass}")
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("hack.bench").setLevel(logging.INFO)
    torch.set_num_threads(options.threads)
    workload = make_workload(options.case, prompts=options.prompts, group=options.group)
    measured = measure(workload, options.repeats, options.clock, options.rows_per_pass)
    print(*markdown(HEADER, rows(measured)), "", explained(measured), sep="\n")
    print(
        f"{workload.name}: {workload.model} ({parameters_of(make_model(workload.model)):,} parameters, float32), "
        f"{options.prompts} prompts x {options.group} of {len(workload.prompts[0])} tokens, {workload.tokens:,} tokens "
        f"to sample; DAPO, no penalty, AdamW, one update; TRL passes over {options.rows_per_pass} rows at a time.",
        f"Medians of {options.repeats} rounds, alternated, by the {options.clock} clock.",
        *circumstances(["transformers", "trl"]),
        sep="\n",
    )


if __name__ == "__main__":
    main()

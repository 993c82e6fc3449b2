"""What the files of a ledger hold whole: finished steps, measurements and claims.

Place in the data's way: station 10, where there is no Postgres and so no transaction. A step's metrics are the last
that is written of it, and a measurement's are too: their line says how many trajectories came before it. What is whole
is asked before a run goes on, for a disk may have lost what a checkpoint was built upon.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trainyard_trainer.ledger.record_lines import Fault, Record, read_records

TRAJECTORIES: Final = "trajectories.jsonl"
METRICS: Final = "metrics.jsonl"
EVALUATIONS: Final = "evaluations.jsonl"
ANSWERS: Final = "answers.jsonl"
CHECKPOINTS: Final = "checkpoints.jsonl"

MEMBERS: Final[Mapping[str, Mapping[str, type]]] = {
    TRAJECTORIES: {"id": dict, "trained_step": int},
    METRICS: {"kind": str, "step": int, "trajectories": int, "values": dict},
    EVALUATIONS: {"kind": str, "step": int},
    ANSWERS: {"kind": str, "step": int, "id": dict},
    CHECKPOINTS: {"uri": str, "step": int},
}
"""Every file, and what each of its lines must have for the ledger to know where it belongs."""

Measurement = tuple[str, int]
"""Kind and step."""


@dataclass(frozen=True, slots=True)
class LogContents:
    """Says what is whole: the steps before `finished`, and the measurements in `measured`.

    `gap` says what the step after those lacks, and in which file. `faults` are the lines that are no records, `claimed`
    the addresses of all checkpoints.
    """

    finished: int
    gap: str
    measured: frozenset[Measurement]
    faults: tuple[Fault, ...]
    claimed: frozenset[str]


class _Files:
    """Counts the files' records by what they belong to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: list[Fault] = []
        self.claimed: set[str] = set()
        self.metrics: defaultdict[Measurement, list[int]] = defaultdict(list)
        self.evaluations: Counter[Measurement] = Counter()
        self.lines: Counter[Measurement] = Counter()
        self._ids: defaultdict[Measurement, set[str]] = defaultdict(set)
        for name, members in MEMBERS.items():
            for _, found in read_records(folder / name, members):
                if isinstance(found, Fault):
                    self.faults.append(found)
                else:
                    self._count(name, found)

    def _count(self, name: str, record: Record) -> None:
        if name == CHECKPOINTS:
            self.claimed.add(record["uri"])
        elif name == TRAJECTORIES:
            self._count_trajectory(("step", record["trained_step"]), record)
        elif name == ANSWERS:
            self._count_trajectory((record["kind"], record["step"]), record)
        elif name == EVALUATIONS:
            self.evaluations[record["kind"], record["step"]] += 1
        else:
            self.metrics[record["kind"], record["step"]].append(record["trajectories"])

    def _count_trajectory(self, of: Measurement, record: Record) -> None:
        self.lines[of] += 1
        self._ids[of].add(json.dumps(record["id"], sort_keys=True))

    def gap(self, of: Measurement) -> str | None:
        """Says what is missing of a step or a measurement; None where it is whole."""
        kind, step = of
        what = f"step {step}" if kind == "step" else f"the {kind} after {step} steps"
        lines = self.metrics.get(of, [])
        if len(lines) != 1:
            return self._with_fault(METRICS, f"must have one whole line of {what}; has {len(lines)}")
        if kind != "step" and self.evaluations[of] != 1:
            return self._with_fault(EVALUATIONS, f"must have one whole line of {what}; has {self.evaluations[of]}")
        name = TRAJECTORIES if kind == "step" else ANSWERS
        if len(self._ids[of]) != self.lines[of]:
            return self._with_fault(name, f"has a trajectory of {what} twice")
        if self.lines[of] != lines[0]:
            return self._with_fault(name, f"has {self.lines[of]} of the {lines[0]} trajectories of {what}")
        return None

    def _with_fault(self, name: str, text: str) -> str:
        path = self.folder / name
        if not os.path.lexists(path):
            return f"there is no file {path}"
        fault = next((fault for fault in self.faults if fault.path == path), None)
        if fault is None:
            return f"{path} {text}"
        return f"{path} {text}, and " + (fault.what if fault.line is None else f"line {fault.line} {fault.what}")


def read_contents(folder: Path) -> LogContents:
    """Reads what the files in the folder of a run hold whole."""
    files, finished = _Files(folder), 0
    while (gap := files.gap(("step", finished))) is None:
        finished += 1
    measured = [of for of in files.metrics if of[0] != "step" and files.gap(of) is None]
    return LogContents(
        finished=finished,
        gap=gap,
        measured=frozenset(measured),
        faults=tuple(files.faults),
        claimed=frozenset(files.claimed),
    )

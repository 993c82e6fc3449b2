"""The ledger of a run without a cluster: lines of JSON in a folder.

Place in the data's way: station 10, where there is no Postgres. One object per line: `trajectories.jsonl` with turns,
tokens and the step that trained on them, `metrics.jsonl`, `evaluations.jsonl`, `answers.jsonl`, `checkpoints.jsonl`.
NaN, which JSON hasn't, is null; texts are as `readable` makes them. Files grow; only a run that goes back takes lines
out, of a copy that then takes the file's place. `flush` brings all of it to the disk, which a checkpoint's writer calls
before each `COMMIT`: a checkpoint never outlives the rows of its steps.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from trainyard_api.progress import ReportedEvaluation
from trainyard_trainer.ledger.log_contents import (
    ANSWERS,
    CHECKPOINTS,
    EVALUATIONS,
    MEMBERS,
    METRICS,
    TRAJECTORIES,
    LogContents,
    read_contents,
)
from trainyard_trainer.ledger.record_lines import Fault, Record, is_plain_file, read_records
from trainyard_trainer.readable import readable
from trainyard_trainer.sinks import SavedCheckpoint, StepMetrics
from trainyard_trainer.storage.durable import flush_file, flush_folder
from trainyard_trainer.trajectory import Trajectory


class TrajectoryLog:
    """A `Ledger` in a folder of one run; `rewind` comes before the first record."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._keeps_former = False

    def contents(self) -> LogContents:
        """Reads what is there whole."""
        return read_contents(self._folder)

    def keep_former(self) -> None:
        """Makes the next `rewind` leave each file that it changes beside the new one, as `<name>.broken`."""
        self._keeps_former = True

    def rewind(self, finished: int) -> None:
        """Removes lines of steps that aren't finished, of measurements taken after, and those that are no records."""
        self._keep(TRAJECTORIES, lambda line: line["trained_step"] < finished)
        self._keep(METRICS, lambda line: line["step"] < finished + (line["kind"] != "step"))
        self._keep(EVALUATIONS, lambda line: line["step"] <= finished)
        self._keep(ANSWERS, lambda line: line["step"] <= finished)
        self._keep(CHECKPOINTS, lambda _: True)
        self._keeps_former = False

    def record_step(self, trajectories: Sequence[Trajectory], metrics: StepMetrics) -> None:
        """Appends what a step trained on, then its metrics."""
        self._append(TRAJECTORIES, ({**asdict(one), "trained_step": metrics.step} for one in trajectories))
        self._append(METRICS, [_with_count(metrics, trajectories)])

    def record_evaluation(
        self, metrics: StepMetrics, answers: Sequence[Trajectory], result: ReportedEvaluation | None = None
    ) -> None:
        """Appends a measurement and its answers; a repeated one takes the former's place."""
        key = {"kind": metrics.kind, "step": metrics.step}
        for name in (METRICS, EVALUATIONS, ANSWERS):
            self._keep(name, lambda line: (line["kind"], line["step"]) != (metrics.kind, metrics.step))
        self._append(ANSWERS, ({**key, **asdict(answer)} for answer in answers))
        self._append(EVALUATIONS, [{**key, "result": None if result is None else result.to_wire()}])
        self._append(METRICS, [_with_count(metrics, answers)])

    def record_checkpoint(self, saved: SavedCheckpoint) -> None:
        """Appends a committed checkpoint, once."""
        self._keep(CHECKPOINTS, lambda line: line["uri"] != saved.uri)
        self._append(CHECKPOINTS, [asdict(saved)])

    def flush(self) -> None:
        """Brings every line to the disk."""
        for name in MEMBERS:
            if is_plain_file(self._folder / name):
                flush_file(self._folder / name)
        flush_folder(self._folder)

    def _append(self, name: str, records: Iterable[Mapping[str, Any]]) -> None:
        text = "".join(json.dumps(_plain(record), ensure_ascii=False) + "\n" for record in records)
        if text:
            with (self._folder / name).open("a", encoding="utf-8") as file:
                file.write(text)

    def _keep(self, name: str, wanted: Callable[[Record], Any]) -> None:
        """Rewrites a file with the records that are wanted, where it has anything else."""
        path = self._folder / name
        if not os.path.lexists(path):
            return
        if not is_plain_file(path):
            path.rename(_free_name(path))
            return
        aside, changed = path.with_name(f".{name}"), False
        with aside.open("wb") as new:
            for line, found in read_records(path, MEMBERS[name]):
                if isinstance(found, Fault) or not wanted(found):
                    changed = True
                    continue
                whole = line if line.endswith(b"\n") else line + b"\n"
                changed = changed or whole != line
                new.write(whole)
            new.flush()
            os.fsync(new.fileno())
        if not changed:
            aside.unlink()
            return
        if self._keeps_former:
            os.link(path, _free_name(path))  # a second name for it; the first is given away next
        aside.replace(path)


def _with_count(metrics: StepMetrics, trajectories: Sequence[Trajectory]) -> Record:
    """Makes the line that is written last; it says how many trajectories were written before it."""
    return {**asdict(metrics), "trajectories": len(trajectories)}


def _free_name(path: Path) -> Path:
    """Finds the first name for a broken file that no file has."""
    names = (path.with_name(f"{path.name}.broken{'' if n == 1 else f'-{n}'}") for n in count(1))
    return next(name for name in names if not os.path.lexists(name))


def _plain(value: Any) -> Any:
    """Makes a value one that JSON and UTF-8 can hold."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value

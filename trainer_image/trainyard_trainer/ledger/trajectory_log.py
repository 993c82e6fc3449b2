"""The ledger of a run without a cluster: lines of JSON in a folder.

Place in the data's way: station 10, where there is no Postgres. One object per line: `trajectories.jsonl` with turns,
tokens and the step that trained on them, `metrics.jsonl`, `evaluations.jsonl`, `answers.jsonl`, `checkpoints.jsonl`.
NaN, which JSON hasn't, is null. Files grow; only a run that goes back takes lines out, of a copy that then takes the
file's place.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from trainyard_api.training_job_status import ReportedEvaluation
from trainyard_trainer.outlets import SavedCheckpoint, StepMetrics
from trainyard_trainer.trajectory import Trajectory

TRAJECTORIES = "trajectories.jsonl"
METRICS = "metrics.jsonl"
EVALUATIONS = "evaluations.jsonl"
ANSWERS = "answers.jsonl"
CHECKPOINTS = "checkpoints.jsonl"

Record = dict[str, Any]


class TrajectoryLog:
    """A `Ledger` in a folder of one run; `rewind` comes before the first record."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def rewind(self, finished: int) -> None:
        """Take out the lines of steps that aren't finished and of measurements taken after, and a line cut off."""
        self._keep(TRAJECTORIES, lambda line: line["trained_step"] < finished)
        self._keep(METRICS, lambda line: line["step"] < finished + (line["kind"] != "step"))
        self._keep(EVALUATIONS, lambda line: line["step"] <= finished)
        self._keep(ANSWERS, lambda line: line["step"] <= finished)
        self._keep(CHECKPOINTS, lambda _: True)

    def record_step(self, trajectories: Sequence[Trajectory], metrics: StepMetrics) -> None:
        """Append what a step trained on, then its metrics."""
        self._append(TRAJECTORIES, ({**asdict(one), "trained_step": metrics.step} for one in trajectories))
        self._append(METRICS, [asdict(metrics)])

    def record_evaluation(
        self, metrics: StepMetrics, answers: Sequence[Trajectory], result: ReportedEvaluation | None = None
    ) -> None:
        """Append a measurement and its answers; a repeated one takes the former's place."""
        key = {"kind": metrics.kind, "step": metrics.step}
        for name in (METRICS, EVALUATIONS, ANSWERS):
            self._keep(name, lambda line: (line["kind"], line["step"]) != (metrics.kind, metrics.step))
        self._append(ANSWERS, ({**key, **asdict(answer)} for answer in answers))
        self._append(EVALUATIONS, [{**key, "result": None if result is None else result.to_wire()}])
        self._append(METRICS, [asdict(metrics)])

    def record_checkpoint(self, saved: SavedCheckpoint) -> None:
        """Append a committed checkpoint, once."""
        self._keep(CHECKPOINTS, lambda line: line["uri"] != saved.uri)
        self._append(CHECKPOINTS, [asdict(saved)])

    def _append(self, name: str, records: Iterable[Mapping[str, Any]]) -> None:
        text = "".join(json.dumps(_plain(record), ensure_ascii=False) + "\n" for record in records)
        if text:
            with (self._folder / name).open("a", encoding="utf-8") as file:
                file.write(text)

    def _keep(self, name: str, wanted: Callable[[Record], Any]) -> None:
        """Rewrite a file with the whole lines that are wanted, where some are not."""
        path = self._folder / name
        if not path.exists():
            return
        aside, dropped = path.with_name(f".{name}"), False
        with path.open(encoding="utf-8", errors="replace") as old, aside.open("w", encoding="utf-8") as new:
            for line in old:
                # A process that was killed may have left half a line at the end.
                if line.endswith("\n") and wanted(json.loads(line)):
                    new.write(line)
                else:
                    dropped = True
            new.flush()
            os.fsync(new.fileno())
        if dropped:
            aside.replace(path)
        else:
            aside.unlink()


def _plain(value: Any) -> Any:
    """As JSON can hold it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value

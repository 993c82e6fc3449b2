"""The ledger of a run without a cluster: lines of JSON in a folder.

Place in the data's way: station 10, where there is no Postgres. One object per line: `trajectories.jsonl` with turns
and tokens, `metrics.jsonl`, `checkpoints.jsonl`. Files only grow; NaN, which JSON hasn't, is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from trainyard_trainer.outlets import SavedCheckpoint, StepMetrics
from trainyard_trainer.trajectory import Trajectory

TRAJECTORIES = "trajectories.jsonl"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints.jsonl"


class TrajectoryLog:
    """A `Ledger` in a folder of one run, in which no step is repeated."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def record_step(self, trajectories: Sequence[Trajectory], metrics: StepMetrics) -> None:
        """Append a step's trajectories, then its metrics."""
        self._append(TRAJECTORIES, (asdict(trajectory) for trajectory in trajectories))
        self._append(METRICS, [asdict(metrics)])

    def record_evaluation(self, metrics: StepMetrics) -> None:
        """Append a measurement on held-out questions."""
        self._append(METRICS, [asdict(metrics)])

    def record_checkpoint(self, saved: SavedCheckpoint) -> None:
        """Append a committed checkpoint."""
        self._append(CHECKPOINTS, [asdict(saved)])

    def _append(self, name: str, records: Iterable[Mapping[str, Any]]) -> None:
        text = "".join(json.dumps(_plain(record), ensure_ascii=False) + "\n" for record in records)
        if text:
            with (self._folder / name).open("a", encoding="utf-8") as file:
                file.write(text)


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

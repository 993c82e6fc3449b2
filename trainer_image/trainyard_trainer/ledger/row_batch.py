"""What one transaction of a trainer writes: rows of the contract's tables, which can be read again and again.

Place in the data's way: station 10, between the loop and a ledger. Rows are made one at a time, as they are asked for.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from trainyard_api.ledger import (
    CHECKPOINTS,
    EVALUATION_ANSWERS,
    EVALUATIONS,
    TRAINING_METRICS,
    CheckpointRow,
    EvaluationRow,
    MetricsRow,
)
from trainyard_api.progress import ReportedEvaluation
from trainyard_api.run_config import RunIdentity
from trainyard_api.table import Row, Table
from trainyard_trainer.ledger.rows import STEP_TABLES, answer_rows, measurements_and_timings, rows
from trainyard_trainer.sinks import SavedCheckpoint, StepMetrics
from trainyard_trainer.trajectory import Trajectory

WRITTEN_TABLES: Final[tuple[Table[Any], ...]] = (
    *(TRAINING_METRICS, *STEP_TABLES),
    *(EVALUATIONS, EVALUATION_ANSWERS, CHECKPOINTS),
)
"""Every table that a trainer writes, parents before children."""


class RowBatch(Protocol):
    """Gives the rows of each of WRITTEN_TABLES; a step, a measurement or a claim is whole in it."""

    def of(self, table: Table[Row]) -> Iterator[Row]:
        """Gives a table's rows, each time from the first one on."""


@dataclass(frozen=True, slots=True)
class StepRows:
    """Makes the rows of a step: what it trained on, and its metrics."""

    run: RunIdentity
    trajectories: Sequence[Trajectory]
    metrics: StepMetrics

    def of(self, table: Table[Row]) -> Iterator[Row]:
        """Gives a table's rows."""
        if table is TRAINING_METRICS:
            return iter([_metrics(self.run, self.metrics)])  # type: ignore[list-item]
        return rows(self.run.uid, self.run.attempt, self.metrics.step, self.trajectories).get(table.name, iter(()))


@dataclass(frozen=True, slots=True)
class MeasurementRows:
    """Makes the rows of a measurement on questions that are never trained on."""

    run: RunIdentity
    metrics: StepMetrics
    answers: Sequence[Trajectory]
    result: ReportedEvaluation | None

    def of(self, table: Table[Row]) -> Iterator[Row]:
        """Gives a table's rows."""
        made: dict[str, Any] = {
            TRAINING_METRICS.name: (_metrics(self.run, self.metrics) for _ in range(1)),
            EVALUATIONS.name: (self._evaluation() for _ in range(1)),
            EVALUATION_ANSWERS.name: answer_rows(self.run.uid, self.metrics.kind, self.metrics.step, self.answers),
        }
        return made.get(table.name, iter(()))

    def _evaluation(self) -> EvaluationRow:
        return EvaluationRow(
            run_uid=self.run.uid,
            kind=self.metrics.kind,
            step=self.metrics.step,
            attempt=self.run.attempt,
            answers=len(self.answers),
            result=None if self.result is None else self.result.to_wire(),
        )


@dataclass(frozen=True, slots=True)
class ClaimRows:
    """Makes the rows that claim committed checkpoints."""

    run: RunIdentity
    claimed: Sequence[SavedCheckpoint]

    def of(self, table: Table[Row]) -> Iterator[Row]:
        """Gives a table's rows."""
        made: Any = (self._claim(saved) for saved in self.claimed if table is CHECKPOINTS)
        return made

    def _claim(self, saved: SavedCheckpoint) -> CheckpointRow:
        return CheckpointRow(
            uri=saved.uri,
            run_uid=self.run.uid,
            attempt=saved.attempt or self.run.attempt,
            step=saved.step,
            updates=saved.updates,
            digest=saved.digest,
            size_bytes=saved.size_bytes,
            metrics=dict(saved.metrics),
            parent_uri=saved.parent_uri,
        )


def steps_of(batch: RowBatch) -> set[int]:
    """Lists the steps that a batch has all rows of."""
    return {row.step for row in batch.of(TRAINING_METRICS) if row.kind == "step"}


def _metrics(run: RunIdentity, metrics: StepMetrics) -> MetricsRow:
    measurements, timings = measurements_and_timings(metrics)
    return MetricsRow(
        run_uid=run.uid,
        kind=metrics.kind,
        step=metrics.step,
        attempt=run.attempt,
        policy_version=metrics.policy_version,
        measurements=measurements,
        timings=timings,
    )

"""Holds how far a run is: everything of it that goes on, besides what its algorithm learned.

Place in the data's way: between station 8 and station 9. The loop moves it on; a checkpoint holds it in plain types. It
measures, writes and decides nothing. Random streams are keyed by step, so `step` says how far they are, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trainyard_trainer.algorithms.base import Batch
from trainyard_trainer.evaluation.early_stopping import ValidationHistory

ReadBatch = Callable[[Mapping[str, Any]], Batch]
"""An algorithm's way of reading its batch from a checkpoint; raises ValueError where it is of another layout."""


@dataclass(slots=True)
class TrainState:
    """Says where the run stands; the only value of the loop that changes.

    `step` counts finished steps. `batch` is what the next one's updates are made from, with those done; None between
    steps. `metrics` are the latest measurements, as a checkpoint carries them. `before` is the
    measurement before the first step, in plain types, once it is made. `questions` is the digest of those that the run
    began with.
    """

    step: int = 0
    batch: Batch | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    validation: ValidationHistory = field(default_factory=ValidationHistory)
    before: dict[str, Any] | None = None
    questions: str | None = None

    @property
    def updates(self) -> int | None:
        """Returns the updates done of the unfinished step; None between steps, or where it is begun anew."""
        return self.batch.done if self.batch is not None and self.batch.kept else None

    def kept(self) -> TrainState:
        """Returns what a checkpoint of now holds."""
        return replace(self, batch=None) if self.updates is None else replace(self)

    def finish_step(self, metrics: Mapping[str, str]) -> None:
        """Counts the step as finished."""
        self.step += 1
        self.batch = None
        self.metrics = metrics

    def to_state(self) -> dict[str, Any]:
        """Writes it as a checkpoint holds it: maps, lists, numbers and strings."""
        return {
            "step": self.step,
            "batch": self.batch.to_state() if self.batch is not None and self.batch.kept else None,
            "metrics": dict(self.metrics),
            "validation": self.validation.to_state(),
            "before": self.before,
            "questions": self.questions,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], read_batch: ReadBatch) -> TrainState:
        """Reads what `to_state` wrote.

        Args:
            state: what it wrote.
            read_batch: reads the batch of a step that isn't finished.

        Raises:
            ValueError: the state is of another layout.
        """
        expected = {"step", "batch", "metrics", "validation", "before", "questions"}
        if set(state) != expected:
            raise ValueError(f"a train state has the members {sorted(expected)}; got {sorted(state)}")
        return cls(
            step=int(state["step"]),
            batch=None if state["batch"] is None else read_batch(state["batch"]),
            metrics=state["metrics"],
            validation=ValidationHistory.from_state(state["validation"]),
            before=state["before"],
            questions=state["questions"],
        )

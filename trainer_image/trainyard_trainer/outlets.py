"""What the loop tells the world outside: rows, reports and checkpoints, and what the world may ask: stop.

Place in the data's way: from station 8 to stations 9, 10 and 11. The loop knows these protocols only; a pod plugs in
Postgres, the API server and S3, a run without a cluster plugs in files and a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from trainyard_api.training_job_status import Progress
from trainyard_trainer.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """Measurements of one step.

    `kind` is `step` for a training step and `evaluation` for a measurement on held-out questions, taken when `step`
    steps were finished. `values` are named numbers (reward_mean, success_rate, loss, grad_norm, ...), with seconds
    under names that end in `_seconds`. NaN is not allowed: a value that doesn't exist is absent.
    """

    kind: Literal["step", "evaluation"]
    step: int
    policy_version: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A committed checkpoint."""

    step: int
    uri: str
    digest: str
    size_bytes: int
    metrics: Mapping[str, str]
    parent_uri: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything of a state between two steps, copied to host memory: training may go on while it is written.

    `files` are the transformers files (safetensors, config, tokenizer) by path, `trainer_state` is what a continuation
    needs besides (optimizer, counters, stream position), as a dict that `torch.save` can write.
    """

    step: int
    policy_version: int
    files: Mapping[str, bytes]
    trainer_state: Mapping[str, Any]
    metrics: Mapping[str, str]


class Ledger(Protocol):
    """Where every trajectory goes."""

    def record_step(self, trajectories: Sequence[Trajectory], metrics: StepMetrics) -> None:
        """Keep a step's trajectories and its metrics, all or nothing; a repeated step replaces its rows."""

    def record_evaluation(self, metrics: StepMetrics) -> None:
        """Keep a measurement on held-out questions."""

    def record_checkpoint(self, saved: SavedCheckpoint) -> None:
        """Claim a committed checkpoint, so that it becomes an object."""


class Reporter(Protocol):
    """Where progress is shown."""

    def report(self, progress: Progress, *, at_once: bool = False) -> None:
        """Show this; reports that come too fast are coalesced into the newest, unless `at_once`. Never raises."""


class Checkpointer(Protocol):
    """Where snapshots become checkpoints, beside training, one in flight."""

    def save(self, snapshot: Snapshot) -> None:
        """Begin to write a snapshot; waits for the one before. A step already committed isn't written again."""

    def finish(self) -> SavedCheckpoint | None:
        """Wait for the one in flight; the newest committed checkpoint. Raises what its writing raised."""


class StopRequest(Protocol):
    """Whether somebody asked the run to stop."""

    def requested(self) -> bool:
        """True once a stop was asked for; stays true."""

"""Defines what the loop tells the world outside: rows, reports and checkpoints.

Place in the data's way: from station 8 to stations 9, 10 and 11. The loop knows these protocols only; a pod plugs in
Postgres, the API server and S3, a run without a cluster plugs in files and a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, Protocol

from trainyard_api.progress import Progress, ReportedEvaluation
from trainyard_api.termination import CommittedCheckpoint
from trainyard_trainer.trajectory import Trajectory

_FIRST_METRICS: Final = ("validation_success_rate", "reward_mean", "success_rate", "loss")
"""What is told of a checkpoint before its other metrics, where there isn't room for all."""
_MOST_METRICS: Final = 16
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
_NUMBER: Final = re.compile(r"(?=.{1,32}\Z)-?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """Holds the measurements of one step.

    `kind` is `step` for a training step, `evaluation` for a measurement on the test queries and `validation` for one on
    the validation queries, taken when `step` steps were finished, and `baseline` for one of what an evaluation is
    compared with. `values` are named numbers (reward_mean, success_rate, loss, grad_norm, ...), with seconds under
    names that end in `_seconds`. NaN is not allowed: a value that doesn't exist is absent.
    """

    kind: Literal["step", "evaluation", "validation", "baseline"]
    step: int
    policy_version: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """Names a committed checkpoint of `step` finished steps and, in the middle of the next, `updates` of its updates.

    `attempt` is the one that wrote it; None: this one. `unwritten_rows` counts the rows among its files, for the ledger
    lacked them; None where it had all.
    """

    step: int
    uri: str
    digest: str
    size_bytes: int
    metrics: Mapping[str, str]
    parent_uri: str | None
    updates: int | None = None
    attempt: int | None = None
    unwritten_rows: int | None = None

    def as_committed(self) -> CommittedCheckpoint:
        """Tells it as a termination message does, with the metrics first that tell most; those of other names or more
        than the message may have are left out.
        """
        # A slash is no part of a name in the API.
        named = {name.replace("/", "."): text for name, text in self.metrics.items()}
        fitting = [name for name, text in named.items() if _NAME.fullmatch(name) and _NUMBER.fullmatch(text)]
        first = [name for name in _FIRST_METRICS if name in fitting]
        told = list(dict.fromkeys([*first, *fitting]))[:_MOST_METRICS]
        return CommittedCheckpoint(
            uri=self.uri,
            digest=self.digest,
            step=self.step,
            updates=self.updates,
            size_bytes=self.size_bytes,
            metrics={name: named[name] for name in told},
            unwritten_rows=self.unwritten_rows or 0,
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """Says how a run ended that is done.

    `saved` is its final checkpoint, None where nothing was trained; `early` says that validation ended it before its
    last step. `results_digest` is the digest of an evaluation's results, where nothing was trained.
    """

    saved: SavedCheckpoint | None
    early: bool = False
    results_digest: str | None = None


class SnapshotFile(Protocol):
    """Gives the bytes of one file of a snapshot; they are a copy and never change."""

    size_bytes: int

    def open(self) -> BinaryIO:
        """Opens a stream of all bytes, which can seek; several may be read at a time."""

    def close(self) -> None:
        """Frees what the file takes; it can't be opened from now on."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Holds a copy of a state: training may go on while it is written.

    `step` counts finished steps; `updates` is None between steps, else the number of updates done of the next one.
    `files` are the transformers files (safetensors, config, tokenizer) by path, and those of an adapter below
    `adapter/`, read as streams. `trainer_state` is what a continuation needs besides (optimizer, counters, the scored
    batch of an unfinished step): a dict in host memory that `torch.save` can write. `adapter_base` is the digest of the
    weights that an adapter belongs to, `copy_seconds` what the copying took.
    """

    step: int
    policy_version: int
    files: Mapping[str, SnapshotFile]
    trainer_state: Mapping[str, Any]
    metrics: Mapping[str, str]
    updates: int | None = None
    adapter_base: str | None = None
    copy_seconds: float = 0.0

    def discard(self) -> None:
        """Frees what the files take; they can't be read from now on."""
        for file in self.files.values():
            file.close()


class Ledger(Protocol):
    """Keeps every trajectory, and what was measured of it."""

    def rewind(self, finished: int) -> None:
        """Removes what was recorded of work after `finished` finished steps: it is about to be done again."""

    def record_step(self, trajectories: Sequence[Trajectory], metrics: StepMetrics) -> None:
        """Keeps the trajectories that a step trained on and its metrics, all or nothing; a repeated step replaces its
        rows. A late trajectory's id names an earlier step.
        """

    def record_evaluation(
        self, metrics: StepMetrics, answers: Sequence[Trajectory], result: ReportedEvaluation | None = None
    ) -> None:
        """Keeps a measurement on validation or test queries, with its answers and what was concluded from it."""

    def record_checkpoint(self, saved: SavedCheckpoint) -> None:
        """Claims a committed checkpoint, so that it becomes an object."""


class UnwrittenRows(Protocol):
    """Knows which recorded rows a ledger hasn't got yet, for its database is away."""

    def mark(self) -> int:
        """Marks this moment: rows recorded so far are those before the mark."""

    def keep(self, mark: int, folder: Path) -> int | None:
        """Writes the rows before a mark that the ledger lacks as files of a folder, which it makes.

        Waits a short time for the ledger first. Returns how many rows, maybe none; None, and no folder, where the
        ledger has all of them and takes this attempt's rows still.

        Raises:
            RefusedError: the ledger takes no more rows of this attempt.
        """


class Reporter(Protocol):
    """Shows progress."""

    def report(self, progress: Progress, *, at_once: bool = False) -> None:
        """Shows this; of reports that come too fast only the newest is shown, unless `at_once`. Never raises."""


class Checkpointer(Protocol):
    """Writes snapshots as checkpoints beside training, one at a time, and discards each when it is done with it."""

    def save(self, snapshot: Snapshot) -> None:
        """Begins to write a snapshot; waits for the one before. A state already committed isn't written again."""

    def save_last(self, snapshot: Snapshot) -> SavedCheckpoint:
        """Writes a snapshot before all else, for the run is about to end; returns when it is committed."""

    def finish(self, given_up: Callable[[], bool] = lambda: False) -> SavedCheckpoint | None:
        """Waits for the one in flight, and gives the newest committed checkpoint. Raises what its writing raised.

        Raises:
            DroppedError: `given_up` said so before; what is in flight stays there.
        """

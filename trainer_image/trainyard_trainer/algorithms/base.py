"""Defines an algorithm: what happens within a step, where all that steps share is `training.train`'s.

Place in the data's way: stations 5 to 8. An algorithm owns its plan of a step, its batch, its loss and its numbers. One
that has no policy brings its own state into a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from trainyard_trainer.policy.policy import Policy
from trainyard_trainer.reporting.progress_reporter import ProgressReporter
from trainyard_trainer.reporting.stopwatch import Stopwatch
from trainyard_trainer.sinks import Snapshot
from trainyard_trainer.trajectory import Trajectory


class Batch(Protocol):
    """Holds what a step's updates are made from.

    Attributes:
        kept: whether it goes into a checkpoint that is taken before the step's end; else the step is begun anew.
    """

    kept: ClassVar[bool]

    @property
    def done(self) -> int:
        """Counts the updates done."""

    def to_state(self) -> dict[str, Any]:
        """Gives the batch in maps, lists, numbers and strings."""


class Algorithm(Protocol):
    """Trains one run by one type of training; its batch is opaque to callers."""

    @property
    def steps(self) -> int:
        """Counts the steps of the run."""

    @property
    def updates_per_step(self) -> int:
        """Counts the updates of a step; it may turn out to have fewer."""

    @property
    def version(self) -> int:
        """Counts the updates of the whole run so far, as rows do."""

    def prepare(self) -> None:
        """Settles what depends on the machine; once, before the first step and after a `restore`."""

    def collect(self, step: int, watch: Stopwatch, progress: ProgressReporter) -> Any:
        """Gathers what a step learns from; changes nothing that a checkpoint holds, for it may be abandoned.

        Args:
            step: steps finished before.
            watch: is told of each part's end.
            progress: is told what begins and may take long.

        Raises:
            DroppedError: a stop was asked for.
            RefusedError: the run can't go on.
        """

    def batch(self, collected: Any, step: int) -> Batch:
        """Makes what the step's updates are made from.

        Raises:
            DroppedError: a stop was asked for, and it can't be finished in time.
        """

    def updates(self, batch: Any) -> Iterator[tuple[int, int, Any]]:
        """Does the updates that a batch hasn't had yet; yields after each the number done, that of all, and the batch.

        Raises:
            DroppedError: a stop was asked for; all is as it was after the last update.
            RefusedError: the run can't go on.
        """

    def measured(self, batch: Any, seconds: Mapping[str, float]) -> tuple[Sequence[Trajectory], dict[str, float]]:
        """Gives the trajectories of a finished step and its numbers; `seconds` is by part, `step` the whole."""

    @staticmethod
    def batch_from_state(state: Mapping[str, Any]) -> Batch:
        """Reads what a batch's `to_state` gave.

        Raises:
            ValueError: the state is of another layout.
        """

    def restore(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Goes on from a snapshot, bit for bit; its files lie in `folder`, `state` is what it kept besides."""

    def snapshot(
        self, step: int, metrics: Mapping[str, str], *, updates: int | None, more: Mapping[str, Any], final: bool
    ) -> Snapshot:
        """Copies the state of now: after `step` finished steps and `updates` of the next one's."""


def no_batch(state: Mapping[str, Any]) -> Batch:
    """Refuses a batch, for a type whose steps are never left between two updates.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"must hold no batch of an unfinished step; got one with {sorted(state)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAlgorithm:
    """Keeps what all algorithms that train a policy have in common.

    Attributes:
        policy: is trained.
        longest_row: tokens of the longest row to be expected.
    """

    policy: Policy
    longest_row: int

    @property
    def version(self) -> int:
        """Counts the optimizer's updates so far."""
        return self.policy.version

    def prepare(self) -> None:
        """Settles how many tokens a pass may have."""
        self.policy.prepare(self.longest_row)

    def restore(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Gives the policy its weights and the rest of its state."""
        self.policy.load_weights(folder)
        self.policy.load_state(state)

    def snapshot(
        self, step: int, metrics: Mapping[str, str], *, updates: int | None, more: Mapping[str, Any], final: bool
    ) -> Snapshot:
        """Copies the policy's weights and state."""
        return self.policy.snapshot(step, metrics, updates=updates, more=more, final=final)

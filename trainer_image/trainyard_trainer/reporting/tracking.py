"""Experiment trackers: each step's measurements go to them besides the ledger, when a manifest asks for it.

Place in the data's way: from station 10 to servers of the user's own. The ledger is the truth: a tracker that can't be
reached costs a warning, never a step. One whose package the image lacks, or that refuses its key, is refused before any
work. No tracker is imported unless it is asked for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from trainyard_api.progress import ReportedEvaluation
from trainyard_api.run_config import RunConfig
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.sinks import Ledger, SavedCheckpoint, StepMetrics
from trainyard_trainer.trajectory import Trajectory
from trainyard_trainer.user_code import type_name

_log = logging.getLogger(__name__)
MAX_WAITING = 64
"""Measurements that may wait for a slow tracker; further ones are dropped."""
CLOSE_SECONDS = 10.0
"""How long the end of a run waits for a slow tracker."""


class Tracker(Protocol):
    """Sends one run to one tracker; what it raises is logged and costs that measurement only."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Sends named numbers of a step; steps count from 1."""

    def close(self) -> None:
        """Ends the run there."""


def open_trackers(config: RunConfig, wandb_key: str, mlflow_token: str, folder: Path) -> list[Tracker]:
    """Opens the trackers that a manifest asks for.

    Args:
        config: the run, whose uid names the trackers' runs, so that a later attempt goes on in the same.
        wandb_key: of Weights & Biases; empty without it.
        mlflow_token: of MLflow; empty for none.
        folder: for what a tracker keeps on this machine.

    Raises:
        RefusedError: a package is missing, or a key is refused.
    """
    asked = config.tracking
    trackers: list[Tracker] = []
    if asked is not None and (wandb := asked.wandb) is not None:
        from trainyard_trainer.reporting.wandb_tracker import WandbTracker  # noqa: PLC0415 (only where asked for)

        trackers += _opened("Weights & Biases", lambda: WandbTracker(wandb, config, wandb_key, folder))
    if asked is not None and (mlflow := asked.mlflow) is not None:
        from trainyard_trainer.reporting.mlflow_tracker import MlflowTracker  # noqa: PLC0415 (likewise)

        trackers += _opened("MLflow", lambda: MlflowTracker(mlflow.endpoint, mlflow.experiment, config, mlflow_token))
    return trackers


def _opened(name: str, open_one: Callable[[], Tracker]) -> list[Tracker]:
    """Opens the tracker; an empty list where its library can't start, whatever it raises."""
    try:
        return [open_one()]
    except RefusedError:
        raise
    except BaseException as error:  # noqa: BLE001 (the library may raise anything; the run goes on)
        _log.warning("tracking: %s can't be reached and is left out: %s", name, type_name(error))
        return []


class TrackedLedger:
    """Keeps rows as a `Ledger` and tells trackers, from a thread of its own."""

    def __init__(self, ledger: Ledger, trackers: Sequence[Tracker]) -> None:
        self._ledger = ledger
        self._trackers = trackers
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracking")
        self._waiting = threading.Semaphore(MAX_WAITING)
        self._done = threading.Event()

    def rewind(self, finished: int) -> None:
        """Rewinds the ledger; a tracker sees the repeated steps again."""
        self._ledger.rewind(finished)

    def record_step(self, trajectories: Sequence[Trajectory], metrics: StepMetrics) -> None:
        """Records the step in the ledger, then sends its numbers."""
        self._ledger.record_step(trajectories, metrics)
        self._tell(metrics.step + 1, metrics.values)

    def record_evaluation(
        self, metrics: StepMetrics, answers: Sequence[Trajectory], result: ReportedEvaluation | None = None
    ) -> None:
        """Records the measurement in the ledger, then sends its numbers, with its kind in their names."""
        self._ledger.record_evaluation(metrics, answers, result)
        self._tell(metrics.step, {f"{metrics.kind}/{name}": value for name, value in metrics.values.items()})

    def record_checkpoint(self, saved: SavedCheckpoint) -> None:
        """Records the checkpoint in the ledger."""
        self._ledger.record_checkpoint(saved)

    def close(self) -> None:
        """Gives the trackers a short time to send what is left, and ends their runs."""
        self._thread.submit(self._each, lambda tracker: tracker.close()).add_done_callback(lambda _: self._done.set())
        if not self._done.wait(CLOSE_SECONDS):
            _log.warning("tracking: not all measurements arrived within %.0f s", CLOSE_SECONDS)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _tell(self, step: int, values: Mapping[str, float]) -> None:
        if not self._waiting.acquire(blocking=False):
            _log.warning("tracking: too slow; the measurements of step %d are left out there", step)
            return
        told = self._thread.submit(self._each, lambda tracker: tracker.log(step, values))
        told.add_done_callback(lambda _: self._waiting.release())

    def _each(self, work: Callable[[Tracker], None]) -> None:
        for tracker in self._trackers:
            try:
                work(tracker)
            except BaseException as error:  # noqa: BLE001 (a tracker's library may raise anything; the run goes on)
                _log.warning("tracking: %s: %s", type_name(tracker), type_name(error))

"""Holds where a run's results go, and whom it asks whether to stop.

Place in the data's way: from station 8 to stations 9, 10 and 11. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainyard_trainer.reporting.progress_reporter import ProgressReporter
from trainyard_trainer.sinks import Checkpointer, Ledger, SavedCheckpoint
from trainyard_trainer.stop import Stop
from trainyard_trainer.training.train_state import TrainState


@dataclass(frozen=True, slots=True)
class Sinks:
    """Holds where the loop's results go; a checkpoint is due every `every_steps` steps.

    `began` is a copy of the state that this process began with: it needs no saving, for a pod that follows has it from
    where this one had it, from `resumed` or from the manifest alone.
    """

    ledger: Ledger
    progress: ProgressReporter
    checkpointer: Checkpointer
    stop: Stop
    every_steps: int
    began: TrainState | None = None
    resumed: SavedCheckpoint | None = None

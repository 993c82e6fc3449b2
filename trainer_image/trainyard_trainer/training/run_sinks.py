"""Holds where a run's results go, and whom it asks whether to stop.

Place in the data's way: from station 8 to stations 9, 10 and 11. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainyard_trainer.reporting.progress_reporter import ProgressReporter
from trainyard_trainer.sinks import Checkpointer, Ledger
from trainyard_trainer.stop import StopRequest


@dataclass(frozen=True, slots=True)
class Sinks:
    """Holds where the loop's results go; a checkpoint is due every `every_steps` steps."""

    ledger: Ledger
    progress: ProgressReporter
    checkpointer: Checkpointer
    stop: StopRequest
    every_steps: int

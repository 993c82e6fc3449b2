"""When a checkpoint is taken, and how a run that was asked to stop leaves.

Place in the data's way: station 9, on the loop's side. Snapshots are taken between two steps only; how they become
files is the checkpointer's business.
"""

from __future__ import annotations

from typing import NoReturn

from trainyard_trainer.errors import StoppedError
from trainyard_trainer.outlets import SavedCheckpoint, StepMetrics
from trainyard_trainer.parts import Outlets
from trainyard_trainer.reporting.metrics import as_decimals
from trainyard_trainer.seams import Policy


def is_due(finished: int, every_steps: int, steps: int) -> bool:
    """Whether a checkpoint is taken after `finished` steps: every so many, and after the last."""
    return finished == steps or finished % every_steps == 0


def save(policy: Policy, finished: int, metrics: StepMetrics | None, outlets: Outlets) -> None:
    """Begin a checkpoint of the state after `finished` steps; training may go on at once."""
    outlets.board.phase("saving")
    outlets.checkpointer.save(policy.snapshot(finished, as_decimals(metrics)))


def stop_here(policy: Policy, finished: int, metrics: StepMetrics | None, outlets: Outlets) -> NoReturn:
    """Save the state after `finished` steps and end the run.

    Raises:
        StoppedError: always.
    """
    save(policy, finished, metrics, outlets)
    saved = outlets.checkpointer.finish()
    raise StoppedError(finished, saved.uri if saved else None)


def finish(outlets: Outlets) -> SavedCheckpoint:
    """Wait until the final checkpoint is committed."""
    outlets.board.phase("saving")
    saved = outlets.checkpointer.finish()
    if saved is None:
        raise RuntimeError("the checkpointer committed nothing, though the last step always ends with a checkpoint")
    return saved

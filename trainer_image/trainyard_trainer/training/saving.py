"""When a checkpoint is taken, and how a run that was asked to stop leaves.

Place in the data's way: station 9, on the loop's side. A snapshot is of a whole position: between two steps, or between
two updates of one. How it becomes files is the checkpointer's business.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NoReturn

from trainyard_trainer.checkpoints.resumable import POSITION
from trainyard_trainer.errors import StoppedError
from trainyard_trainer.policy.policy import Policy
from trainyard_trainer.sinks import SavedCheckpoint, Snapshot
from trainyard_trainer.training.components import Outlets
from trainyard_trainer.training.train_state import Position


def is_due(finished: int, every_steps: int) -> bool:
    """Whether a checkpoint is taken after `finished` steps: every so many, beginning with the first so many."""
    return finished > 0 and finished % every_steps == 0


def save(policy: Policy, position: Position, outlets: Outlets, *, final: bool) -> None:
    """Begin a checkpoint of the state of now; training may go on at once, unless it is the `final` one."""
    outlets.board.phase("saving")
    outlets.checkpointer.save(_snapshot(policy, position, final=final))


def stop_here(policy: Policy, position: Position, outlets: Outlets) -> NoReturn:
    """Save the state of now before all else and end the run.

    Raises:
        StoppedError: always.
    """
    outlets.board.phase("saving")
    saved = outlets.checkpointer.save_last(_snapshot(policy, position, final=False))
    raise StoppedError(position.step, saved.uri)


def stop_if_asked(policy: Policy, position: Position, outlets: Outlets) -> None:
    """`stop_here`, if somebody asked for it.

    Raises:
        StoppedError: somebody did.
    """
    if outlets.stop.requested():
        stop_here(policy, position, outlets)


def finish(outlets: Outlets) -> SavedCheckpoint:
    """Wait until the final checkpoint is committed."""
    outlets.board.phase("saving")
    saved = outlets.checkpointer.finish()
    if saved is None:
        raise RuntimeError("the checkpointer committed nothing, though the last step always ends with a checkpoint")
    return saved


def _snapshot(policy: Policy, position: Position, *, final: bool) -> Snapshot:
    began, more = time.monotonic(), {POSITION: position.to_state()}
    snapshot = policy.snapshot(position.step, position.metrics, updates=position.updates, more=more, final=final)
    return replace(snapshot, copy_seconds=time.monotonic() - began)

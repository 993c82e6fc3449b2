"""Takes checkpoints when they are due, and ends a run that was asked to stop.

Place in the data's way: station 9, on the loop's side. A snapshot is of a whole state: between two steps, or between
two updates of one. How it becomes files is the checkpointer's business.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NoReturn

from trainyard_trainer.algorithms.base import Algorithm
from trainyard_trainer.errors import StoppedError
from trainyard_trainer.evaluation.early_stopping import is_new_best
from trainyard_trainer.sinks import SavedCheckpoint, Snapshot
from trainyard_trainer.training.restore import POSITION
from trainyard_trainer.training.run_sinks import Sinks
from trainyard_trainer.training.train_state import TrainState


def is_due(finished: int, every_steps: int) -> bool:
    """Says whether a checkpoint is taken after `finished` steps, a multiple of `every_steps`."""
    return finished > 0 and finished % every_steps == 0


def save_if_due(algorithm: Algorithm, sinks: Sinks, state: TrainState, *, ended: bool) -> None:
    """Begins a checkpoint if it is due after this step, if the state is the best so far, or if the run has `ended`.

    Training may go on at once, unless it has ended.

    Raises:
        DroppedError: a stop was asked for while an earlier checkpoint was waited for.
    """
    best = is_new_best(state.validation) and state.validation.best_step == state.step
    if ended or best or is_due(state.step, sinks.every_steps):
        sinks.progress.phase("saving")
        sinks.checkpointer.finish(sinks.stop.requested)  # first: one copy at a time takes disk and memory
        sinks.checkpointer.save(_snapshot(algorithm, state, final=ended))


def stop_here(algorithm: Algorithm, sinks: Sinks, state: TrainState, *, dropped_seconds: float = 0.0) -> NoReturn:
    """Saves the current state first, unless the run began with it, and ends the run.

    Raises:
        StoppedError: always.
    """
    if state.kept() == sinks.began:
        known = sinks.resumed
        committed = None if known is None else known.as_committed()
        raise StoppedError(state.step, known.uri if known else None, dropped_seconds, committed=committed)
    sinks.progress.phase("saving")
    saved = sinks.checkpointer.save_last(_snapshot(algorithm, state, final=False))
    raise StoppedError(state.step, saved.uri, dropped_seconds, committed=saved.as_committed())


def stop_if_asked(algorithm: Algorithm, sinks: Sinks, state: TrainState) -> None:
    """Saves and ends the run as `stop_here` does, if a stop was asked for.

    Raises:
        StoppedError: a stop was asked for.
    """
    if sinks.stop.requested():
        stop_here(algorithm, sinks, state)


def finish(sinks: Sinks) -> SavedCheckpoint:
    """Waits until the final checkpoint is committed."""
    sinks.progress.phase("saving")
    saved = sinks.checkpointer.finish()
    if saved is None:
        raise RuntimeError("the checkpointer committed nothing, though the last step always ends with a checkpoint")
    return saved


def _snapshot(algorithm: Algorithm, state: TrainState, *, final: bool) -> Snapshot:
    began, more = time.monotonic(), {POSITION: state.to_state()}
    snapshot = algorithm.snapshot(state.step, state.metrics, updates=state.updates, more=more, final=final)
    return replace(snapshot, copy_seconds=time.monotonic() - began)

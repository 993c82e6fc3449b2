"""What a stop does to work in its middle: it is dropped, and what was there before is saved, if it isn't yet.

Place in the data's way: between station 3 and station 9. Work that asks nobody, in a user's code or a server's, is left
where it stands after a short while: another thread saves the state, which that work doesn't change, and ends the run.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Final, NoReturn

from trainyard_trainer.algorithms.base import Algorithm
from trainyard_trainer.errors import DroppedError, StoppedError
from trainyard_trainer.sinks import SavedCheckpoint
from trainyard_trainer.stop import Stop
from trainyard_trainer.training.run_sinks import Sinks
from trainyard_trainer.training.saving import stop_here
from trainyard_trainer.training.train_state import TrainState

UNWINDING_SECONDS: Final = 1.0
"""How long a pod that has nothing to save may take to end by itself what it has begun."""
PATIENCE_SECONDS: Final = 5.0
"""How long dropped work may take to come back before the state is saved without it; at most a tenth of the grace."""
SHARE_OF_GRACE: Final = 0.1


@contextlib.contextmanager
def unsaved(stop: Stop, newest: SavedCheckpoint | None, *, works: bool = False) -> Iterator[None]:
    """Has a stop end the run at once inside the block, in which there is nothing to save.

    Args:
        stop: asked.
        newest: the committed checkpoint that the run has, to be named.
        works: whether the block does the run's work, so that its seconds are dropped; else it only prepares for that.

    Raises:
        StoppedError: a stop was asked for.
    """
    began = time.monotonic()

    def end() -> NoReturn:
        raise stopped_at(newest, time.monotonic() - began if works else 0.0)

    try:
        with stop.heeded_within(UNWINDING_SECONDS, end):
            if stop.requested():
                end()
            yield
    except DroppedError:
        end()


@contextlib.contextmanager
def droppable(algorithm: Algorithm, sinks: Sinks, state: TrainState) -> Iterator[None]:
    """Has the run end with its state saved where a stop drops the work inside the block.

    Raises:
        StoppedError: a stop was asked for.
    """
    began = time.monotonic()
    try:
        yield
    except DroppedError as error:
        took = time.monotonic() - began if error.seconds is None else error.seconds
        stop_here(algorithm, sinks, state, dropped_seconds=took)


@contextlib.contextmanager
def abandonable(algorithm: Algorithm, sinks: Sinks, state: TrainState) -> Iterator[None]:
    """Does what `droppable` does, also where the block doesn't come back; it must change neither state nor weights.

    Raises:
        StoppedError: a stop was asked for.
    """
    began = time.monotonic()

    def end() -> NoReturn:
        stop_here(algorithm, sinks, state, dropped_seconds=time.monotonic() - began)

    patience = min(PATIENCE_SECONDS, SHARE_OF_GRACE * sinks.stop.grace_seconds)
    with droppable(algorithm, sinks, state), sinks.stop.heeded_within(patience, end):
        yield


def stopped_at(newest: SavedCheckpoint | None, dropped_seconds: float = 0.0, *, saved: bool = True) -> StoppedError:
    """Makes the end of a stopped run that writes nothing more.

    Args:
        newest: its newest committed checkpoint.
        dropped_seconds: of work that no checkpoint holds.
        saved: whether that checkpoint has all that was done, but for what was dropped.
    """
    if newest is None:
        return StoppedError(0, None, dropped_seconds)
    return StoppedError(newest.step, newest.uri, dropped_seconds, committed=newest.as_committed(), saved=saved)

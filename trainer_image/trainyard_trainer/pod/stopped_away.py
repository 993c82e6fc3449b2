"""What becomes of a run's end where the database is away: it is told as what it is, and doesn't wait for long.

Place in the data's way: station 4, back to station 2. A stop never ends as a crash because nobody could be told of
rows: what a checkpoint carries isn't lost, and what isn't in one was to be done again anyway.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from trainyard_trainer.ledger.delivery import DatabaseAwayError
from trainyard_trainer.ledger.outbox import Outbox
from trainyard_trainer.sinks import SavedCheckpoint
from trainyard_trainer.stop import StopRequest
from trainyard_trainer.training.stopping import stopped_at


@contextlib.contextmanager
def away_is_a_stop(stop: StopRequest, newest: SavedCheckpoint | None) -> Iterator[None]:
    """Ends the run as stopped where the block waits for the database in vain, and a stop was asked for.

    Args:
        stop: asked then.
        newest: the run's newest checkpoint, which stays its result.
    """
    try:
        yield
    except DatabaseAwayError as error:
        told = told_of(error, stop, newest)
        if told is error:
            raise
        raise told from error


def told_of(error: BaseException, stop: StopRequest, newest: SavedCheckpoint | None) -> BaseException:
    """Returns what an error is told as: itself, or the stop that `away_is_a_stop` makes of it."""
    if not isinstance(error, DatabaseAwayError) or not stop.requested():
        return error
    return stopped_at(newest)


@contextlib.contextmanager
def hurried(outbox: Outbox) -> Iterator[None]:
    """Has nothing wait long for the database once an error has come out of the block, for the run ends by it."""
    try:
        yield
    except BaseException:
        outbox.hurry()
        raise

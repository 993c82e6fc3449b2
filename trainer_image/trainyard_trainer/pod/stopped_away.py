"""What a stop is told as where the database is away.

Place in the data's way: station 4, back to station 2. A stop never ends as a crash because nobody could be told of
rows: what a checkpoint carries isn't lost, and what isn't in one was to be done again anyway.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from trainyard_trainer.errors import StoppedError
from trainyard_trainer.ledger.delivery import DatabaseAwayError
from trainyard_trainer.ledger.outbox import Outbox
from trainyard_trainer.sinks import SavedCheckpoint
from trainyard_trainer.stop import StopRequest


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
        if not stop.requested():
            raise
        if newest is None:
            raise StoppedError(0, None) from error
        raise StoppedError(newest.step, newest.uri, committed=newest.as_committed()) from error


@contextlib.contextmanager
def claims_told(outbox: Outbox, resumed: SavedCheckpoint | None) -> Iterator[None]:
    """Adds to the error of a stopped run what its checkpoint's row claims, and how many rows only its files have.

    Args:
        outbox: of the run.
        resumed: the checkpoint that it went on from, with its rows written.
    """
    try:
        yield
    except StoppedError as error:
        if error.committed is None and resumed is not None and error.committed_uri == resumed.uri:
            error.committed = resumed.as_committed()
        if error.committed is not None:
            error.committed = error.committed.model_copy(update={"unwritten_rows": outbox.unwritten()})
        raise

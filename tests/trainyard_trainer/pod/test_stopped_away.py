"""A stop that finds the database away is a stop all the same, with all that the checkpoint's row would claim."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainyard_trainer.stopping import Stop
from trainyard_trainer.errors import StoppedError
from trainyard_trainer.ledger.delivery import DatabaseAwayError
from trainyard_trainer.pod.stopped_away import away_is_a_stop, claims_told
from trainyard_trainer.sinks import SavedCheckpoint

SAVED = SavedCheckpoint(4, "s3://b/x/", "sha256:" + "0" * 64, 7, {"loss": "0.5"}, None, updates=2, unwritten_rows=9)


class Written:
    """An outbox with so many rows left."""

    def __init__(self, left: int) -> None:
        self._left = left

    def unwritten(self) -> int:
        """Returns them."""
        return self._left


def test_a_wait_in_vain_is_a_stop_where_one_was_asked_for() -> None:
    """It names the newest checkpoint, of which nothing was written yet; without a stop it is what it is."""
    with pytest.raises(StoppedError) as stopped, away_is_a_stop(Stop(lambda: True), SAVED):
        raise DatabaseAwayError
    assert (stopped.value.last_step, stopped.value.committed_uri) == (4, SAVED.uri)
    assert stopped.value.committed == SAVED.as_committed()
    assert stopped.value.committed.unwritten_rows == 9
    with pytest.raises(StoppedError) as stopped, away_is_a_stop(Stop(lambda: True), None):
        raise DatabaseAwayError
    assert (stopped.value.last_step, stopped.value.committed_uri, stopped.value.committed) == (0, None, None)
    with pytest.raises(DatabaseAwayError), away_is_a_stop(Stop(), SAVED):
        raise DatabaseAwayError


@pytest.mark.parametrize("given", [SAVED.as_committed(), None])
def test_a_stop_tells_how_many_rows_are_left(given: Any) -> None:
    """Of its own checkpoint, or of the one that it went on from, which it names."""
    outbox: Any = Written(3)
    with pytest.raises(StoppedError) as stopped, claims_told(outbox, SAVED):
        raise StoppedError(4, SAVED.uri, committed=given)
    assert stopped.value.committed == SAVED.as_committed().model_copy(update={"unwritten_rows": 3})
    with pytest.raises(StoppedError) as stopped, claims_told(outbox, None):
        raise StoppedError(0, None)
    assert stopped.value.committed is None

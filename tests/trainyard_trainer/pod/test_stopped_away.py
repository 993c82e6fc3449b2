"""A stop that finds the database away is a stop all the same; an end by an error waits no longer than one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainyard_trainer.stopping import Stop
from trainyard_trainer.errors import StoppedError
from trainyard_trainer.ledger.delivery import DatabaseAwayError
from trainyard_trainer.pod.stopped_away import away_is_a_stop, hurried
from trainyard_trainer.sinks import SavedCheckpoint

SAVED = SavedCheckpoint(4, "s3://b/x/", "sha256:" + "0" * 64, 7, {"loss": "0.5"}, None, updates=2, unwritten_rows=9)


class Hurried:
    """An outbox that notes whether its waits are bounded."""

    hurries = False

    def hurry(self) -> None:
        """Notes it."""
        self.hurries = True


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


def test_a_run_that_ends_by_an_error_is_in_a_hurry() -> None:
    """Whatever it is; one that is done waits for its last rows."""
    outbox: Any = Hurried()
    with hurried(outbox):
        pass
    assert not outbox.hurries
    with pytest.raises(SystemExit), hurried(outbox):
        raise SystemExit(0)
    assert outbox.hurries

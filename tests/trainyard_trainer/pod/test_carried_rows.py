"""Rows that a checkpoint carries are written first, and count only where they fit what the ledger has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.trainyard_trainer.carrying_runs import PREFIX, World, two_steps_of_which_one_is_carried
from tests.trainyard_trainer.ledger_rows import batch, metrics
from tests.trainyard_trainer.saved_models import change_file
from trainyard_api import names
from trainyard_trainer.checkpoints.files import newest_committed
from trainyard_trainer.checkpoints.resumable import UnreadableError
from trainyard_trainer.pod.carried_rows import write_first

pytestmark = pytest.mark.integration


@pytest.fixture
def world(run: servers.Database, tmp_path: Path) -> Iterator[World]:
    """A new one."""
    made = World(run, tmp_path)
    yield made
    made.close()


def test_the_next_attempt_writes_what_a_checkpoint_carries(world: World) -> None:
    """As the rows of the attempt that made them, once, however often; and every committed checkpoint is claimed."""
    saved = two_steps_of_which_one_is_carried(world)
    assert saved.unwritten_rows == 25
    resumed = world.fetched(saved)
    outbox, identity = world.outbox(2)
    outbox.rewind(1)  # whether or not the hanging transaction has come through
    assert world.verdict(outbox, identity, resumed) is None
    for _ in range(2):
        write_first(outbox, identity, resumed, world.storage, PREFIX)
        assert world.steps() == [(0, 1), (1, 1)]
        assert world.database.rows("SELECT uri, attempt FROM trainyard.checkpoints") == [(saved.uri, 1)]


def test_a_checkpoint_that_carries_nothing_asks_for_nothing(world: World) -> None:
    """As all did before."""
    outbox, identity = world.outbox()
    outbox.record_step(batch(0), metrics(0))
    resumed = world.fetched(world.save(outbox, 1))
    assert resumed.saved.unwritten_rows is None
    assert not (resumed.folder / names.ROWS_FOLDER).exists()
    world.database.execute("DELETE FROM trainyard.training_metrics")
    assert world.verdict(outbox, identity, resumed) is None
    write_first(outbox, identity, resumed, world.storage, PREFIX)
    assert world.database.rows("SELECT count(*) FROM trainyard.checkpoints") == [(0,)]


@pytest.mark.parametrize("replayed", [True, False])
def test_a_given_up_pod_s_checkpoint_does_not_count_once_its_rows_are_replaced(world: World, replayed: bool) -> None:
    """It could not ask the ledger: another attempt had taken out a row of its state, and perhaps made it anew."""
    saved = two_steps_of_which_one_is_carried(world)
    outbox, _ = world.outbox(2)
    outbox.rewind(0)
    if replayed:
        outbox.record_step(batch(0), metrics(0))
    outbox, identity = world.outbox(3)
    why = world.verdict(outbox, identity, world.fetched(saved))
    assert why == "the ledger must have the rows of step 0 as attempt 1 or an earlier one wrote them"


def test_rows_that_can_not_be_read_are_another_version_s(world: World) -> None:
    """The run isn't begun again for them: the digests hold, so that version could go on."""
    saved = two_steps_of_which_one_is_carried(world)
    folder = world.storage.key_of(saved.uri)
    assert folder is not None
    change_file(world.storage, folder, "rows/rows.json", b'{"version": 2, "tables": {}}')
    committed = newest_committed(world.storage, PREFIX)
    assert committed is not None
    resumed = world.fetched(committed.saved())
    outbox, identity = world.outbox(2)
    with pytest.raises(UnreadableError, match="must be of version 1"):
        world.verdict(outbox, identity, resumed)


def test_rows_that_the_database_refuses_change_nothing(world: World) -> None:
    """Segments without trajectories, which no trainer writes: all or nothing of a checkpoint's rows is there."""
    saved = two_steps_of_which_one_is_carried(world)
    resumed = world.fetched(saved)
    outbox, identity = world.outbox(2)
    outbox.rewind(1)
    (resumed.folder / "rows" / "trajectories.jsonl.gz").unlink()
    index = (resumed.folder / "rows" / "rows.json").read_text()
    start = index.index('"trajectories"')
    (resumed.folder / "rows" / "rows.json").write_text(index[:start] + index[index.index('"segments"') :])
    with pytest.raises(UnreadableError, match="the database refuses a row"):
        write_first(outbox, identity, resumed, world.storage, PREFIX)
    assert world.steps() == [(0, 1)]
    outbox.check()

"""Without an address, `write-rows` takes the checkpoint that a next attempt would go on from, and no other."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.trainyard_trainer.carrying_runs import World, two_steps_of_which_one_is_carried
from tests.trainyard_trainer.ledger_rows import RUN, batch, hanging, metrics
from tests.trainyard_trainer.saved_models import change_file
from trainyard_api.termination import ExitCode, Termination, parse_termination
from trainyard_trainer.pod.pod_environment import read_environment
from trainyard_trainer.pod.write_rows import write_rows

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """The process's log and its signals, which a Job takes over."""
    root = logging.getLogger()
    handlers, level, term = root.handlers[:], root.level, signal.getsignal(signal.SIGTERM)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    signal.signal(signal.SIGTERM, term)


@pytest.fixture
def world(run: servers.Database, tmp_path: Path) -> Iterator[World]:
    """A new one."""
    made = World(run, tmp_path)
    yield made
    made.close()


def written(world: World, folder: Path, attempt: int = 1) -> tuple[int, Termination]:
    """The Job's exit code and its message."""
    world.outbox(attempt)
    config = {
        "version": 1,
        "run": RUN.model_copy(update={"attempt": attempt}).to_wire(),
        "model": {"scratch": {}},
        "algorithm": {"type": "SFT", "seed": 0, "sft": {"steps": 3}},
        "task": {"name": "calculator", "rewards": [{"name": "exact", "weight": "1.0"}]},
        "checkpoints": {"everySteps": 2, "storage": {"folder": {"directory": str(folder / "bucket")}}},
    }
    (folder / "run.json").write_text(json.dumps(config))
    (folder / "log").touch()
    variables = {"TRAINYARD_RUN_CONFIG": str(folder / "run.json"), "TRAINYARD_DATABASE_DSN": world.database.trainer}
    code = write_rows(None, read_environment(variables), folder / "log")
    termination = parse_termination((folder / "log").read_text())
    assert termination is not None
    return code, termination


def test_the_newest_commit_s_rows_are_written(world: World, tmp_path: Path) -> None:
    """As that of a pod that was killed before it could name it; again, it changes nothing."""
    saved = two_steps_of_which_one_is_carried(world)
    world.outbox()[0].rewind(1)  # whether or not the hanging transaction has come through
    for _ in range(2):
        code, termination = written(world, tmp_path)
        assert (code, termination.message) == (ExitCode.DONE, f"25 rows of {saved.uri} are written")
        assert world.steps() == [(0, 1), (1, 1)]
        assert world.database.rows("SELECT uri FROM trainyard.checkpoints") == [(saved.uri,)]


def test_a_run_without_a_checkpoint_has_no_rows_to_write(world: World, tmp_path: Path) -> None:
    """It is done all the same."""
    (tmp_path / "bucket").mkdir()
    code, termination = written(world, tmp_path)
    assert code == ExitCode.DONE
    assert termination.message == "no checkpoint of the run fits the ledger, so no rows are written"


def test_rows_that_a_later_attempt_has_made_anew_stay(world: World, tmp_path: Path) -> None:
    """A pod that was given up for dead may have committed past its successor."""
    two_steps_of_which_one_is_carried(world)
    outbox, _ = world.outbox(2)
    outbox.rewind(0)
    outbox.record_step(batch(0), metrics(0))
    code, termination = written(world, tmp_path, attempt=2)
    assert (code, world.steps()) == (ExitCode.DONE, [(0, 2)])
    assert "fits the ledger" in termination.message


def test_a_broken_checkpoint_gives_way_to_the_one_before(world: World, tmp_path: Path) -> None:
    """As it does for an attempt."""
    saved = two_steps_of_which_one_is_carried(world)
    outbox, _ = world.outbox()
    outbox.rewind(1)
    with hanging(world.database):
        outbox.record_step(batch(1), metrics(1))
        newer = world.storage.key_of(world.save(outbox, 3).uri)
        outbox.close()
    (tmp_path / "bucket" / newer / "rows" / "turns.jsonl.gz").unlink()
    assert written(world, tmp_path)[1].message == f"25 rows of {saved.uri} are written"


def test_rows_that_can_not_be_read_are_refused(world: World, tmp_path: Path) -> None:
    """Another version of the trainer could write them, so no older checkpoint takes their place."""
    folder = world.storage.key_of(two_steps_of_which_one_is_carried(world).uri)
    assert folder is not None
    change_file(world.storage, folder, "rows/rows.json", b'{"version": 2, "tables": {}}')
    code, termination = written(world, tmp_path)
    assert (code, "must be of version 1" in termination.message) == (ExitCode.REFUSED, True)

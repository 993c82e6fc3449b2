"""Checkpoints are written beside training, one at a time, and no failure stays hidden."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from trainyard_api.run_config import RunIdentity
from trainyard_trainer.checkpoints.checkpoint import Origin
from trainyard_trainer.checkpoints.checkpoint_writer import CheckpointWriter
from trainyard_trainer.outlets import SavedCheckpoint, Snapshot
from trainyard_trainer.storage.storage_folder import FolderStorage

ORIGIN = Origin(RunIdentity(namespace="n", name="j", uid="u-1", attempt=1), "pod-uid-1", "n/j/u-1/", None)


def snapshot(step: int) -> Snapshot:
    """A state of one file."""
    return Snapshot(step, step, {"model.safetensors": b"w"}, {}, {})


class SlowFolder(FolderStorage):
    """A folder whose puts wait until they may go on."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.go_on = threading.Event()

    def put(self, key: str, content: bytes | Path) -> None:
        """Wait, then write."""
        assert self.go_on.wait(10)
        super().put(key, content)


def test_training_goes_on_while_a_checkpoint_is_written(tmp_path: Path) -> None:
    """`save` returns before the files lie there; `finish` returns after COMMIT and the callback."""
    storage = SlowFolder(tmp_path)
    seen: list[SavedCheckpoint] = []
    writer = CheckpointWriter(storage, ORIGIN, seen.append)
    writer.save(snapshot(1))
    assert not seen
    storage.go_on.set()
    saved = writer.finish()
    assert saved is not None
    assert seen == [saved]
    assert storage.get("n/j/u-1/step-1-pod-uid-/COMMIT")
    writer.close()


def test_one_is_in_flight(tmp_path: Path) -> None:
    """A second one due meanwhile waits for the first."""
    storage = SlowFolder(tmp_path)
    seen: list[SavedCheckpoint] = []
    writer = CheckpointWriter(storage, ORIGIN, seen.append)
    writer.save(snapshot(1))
    second = threading.Thread(target=writer.save, args=[snapshot(2)])
    second.start()
    second.join(0.2)
    assert second.is_alive()
    storage.go_on.set()
    second.join(5)
    assert [saved.step for saved in seen][:1] == [1]
    newest = writer.finish()
    assert newest is not None
    assert newest.step == 2
    writer.close()


def test_a_state_already_committed_is_not_written_again(tmp_path: Path) -> None:
    """A stop right after a periodic checkpoint names that one."""
    seen: list[SavedCheckpoint] = []
    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, seen.append)
    writer.save(snapshot(4))
    first = writer.finish()
    writer.save(snapshot(4))
    assert writer.finish() is first
    assert len(seen) == 1
    writer.close()


def test_nothing_saved_is_nothing_finished(tmp_path: Path) -> None:
    """A run that ends before its first checkpoint."""
    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, lambda _: None)
    assert writer.finish() is None
    writer.close()


@pytest.mark.parametrize("surface", ["save", "finish"])
def test_a_failure_surfaces_at_the_next_call(tmp_path: Path, surface: str) -> None:
    """A run whose checkpoints can't be kept must not go on as if they were."""

    def refuse(_: SavedCheckpoint) -> None:
        raise ConnectionError("the ledger is away")

    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, refuse)
    writer.save(snapshot(1))
    with pytest.raises(ConnectionError, match="the ledger is away"):
        writer.save(snapshot(2)) if surface == "save" else writer.finish()
    writer.close()


def test_a_failure_that_nobody_waited_for_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The run ended of something else meanwhile."""
    (tmp_path / "n").write_text("a file where a folder must be")
    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, lambda _: None)
    writer.save(snapshot(1))
    with caplog.at_level(logging.ERROR):
        writer.close()
    assert "checkpoint not committed" in caplog.text

"""A run goes on from its newest whole checkpoint, whatever else lies there."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from trainyard_api.run_config import RunIdentity
from trainyard_trainer.checkpoints.checkpoint import Origin, write_checkpoint
from trainyard_trainer.checkpoints.resume import find_resumable
from trainyard_trainer.outlets import SavedCheckpoint, Snapshot
from trainyard_trainer.storage.storage_folder import FolderStorage

RUN = RunIdentity(namespace="n", name="j", uid="u-1", attempt=1)
ORIGIN = Origin(RUN, "pod-uid-1", "n/j/u-1/", None)


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    """An empty folder."""
    return FolderStorage(tmp_path / "bucket")


def write(storage: FolderStorage, step: int, updates: int | None = None, origin: Origin = ORIGIN) -> SavedCheckpoint:
    """A committed state."""
    content = f"weights of {step}/{updates}".encode()
    state = {"position": {"step": step}, "moments": torch.ones(2)}
    return write_checkpoint(storage, origin, Snapshot(step, step, {"model.safetensors": content}, state, {}, updates))


def found(storage: FolderStorage, into: Path) -> tuple[int, int | None, bytes] | None:
    """Step, updates and weights that a run goes on with."""
    resumed = find_resumable(storage, ORIGIN.prefix, RUN.uid, into)
    if resumed is None:
        return None
    return resumed.saved.step, resumed.saved.updates, (resumed.folder / "model.safetensors").read_bytes()


def test_without_a_checkpoint_a_run_begins(storage: FolderStorage, tmp_path: Path) -> None:
    """Files without COMMIT are nothing to go on from."""
    saved = write(storage, 1)
    (tmp_path / "bucket" / storage.key_of(saved.uri) / "COMMIT").unlink()
    assert found(storage, tmp_path / "into") is None


def test_the_newest_state_counts_also_between_two_updates(storage: FolderStorage, tmp_path: Path) -> None:
    """Whichever pod committed it, and whenever."""
    write(storage, 3, 2)
    write(storage, 3, origin=replace(ORIGIN, pod_uid="pod-2"))
    write(storage, 2)
    assert found(storage, tmp_path / "into") == (3, 2, b"weights of 3/2")


@pytest.mark.parametrize("file", ["model.safetensors", "trainer_state.pt", "manifest.json", "COMMIT"])
def test_one_whose_digests_do_not_hold_gives_way_to_the_one_before(
    storage: FolderStorage, tmp_path: Path, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says which was passed over and why; nothing of it is left among the files."""
    write(storage, 2)
    broken = write(storage, 4)
    storage.put(storage.key_of(broken.uri) + file, b"something else")
    with caplog.at_level(logging.WARNING):
        assert found(storage, tmp_path / "into") == (2, None, b"weights of 2/None")
    assert broken.uri in caplog.text
    assert "must" in caplog.text


def test_another_run_s_checkpoint_is_not_resumed(storage: FolderStorage, tmp_path: Path) -> None:
    """Somebody copied files below this run's prefix: its manifest names whose they are."""
    write(storage, 9, origin=replace(ORIGIN, run=RUN.model_copy(update={"uid": "u-2"})))
    assert found(storage, tmp_path / "into") is None


def test_what_lay_in_the_folder_before_is_gone(storage: FolderStorage, tmp_path: Path) -> None:
    """A container that was restarted in its pod finds the files of its former life."""
    write(storage, 1)
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "leftover").touch()
    assert found(storage, tmp_path / "into") is not None
    assert not (tmp_path / "into" / "leftover").exists()

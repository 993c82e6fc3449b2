"""A run goes on from its newest whole checkpoint, whatever else lies there."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainyard_trainer.saved_models import commit_manifest, in_memory
from trainyard_api.run_config import RunIdentity
from trainyard_api.termination import TerminationReason
from trainyard_trainer.algorithms.scored_batch import ScoredBatch
from trainyard_trainer.checkpoints.files import Origin, write_checkpoint
from trainyard_trainer.checkpoints.resumable import MAX_UNREADABLE, Resumed, UnreadableError, going_on
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.sinks import SavedCheckpoint, Snapshot
from trainyard_trainer.storage.storage_folder import FolderStorage
from trainyard_trainer.training.restore import find_restorable
from trainyard_trainer.training.train_state import TrainState

RUN = RunIdentity(namespace="n", name="j", uid="u-1", attempt=1)
ORIGIN = Origin(RUN, "pod-uid-1", "n/j/u-1/", None)


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    """An empty folder."""
    return FolderStorage(tmp_path / "bucket")


def write(
    storage: FolderStorage,
    step: int,
    updates: int | None = None,
    origin: Origin = ORIGIN,
    **members: Any,
) -> SavedCheckpoint:
    """A committed state; `members` are others of the trainer's state than it writes."""
    content = f"weights of {step}/{updates}".encode()
    state = {"position": TrainState(step=step).to_state(), "moments": torch.ones(2)} | members
    return write_checkpoint(
        storage, origin, Snapshot(step, step, in_memory({"model.safetensors": content}), state, {}, updates)
    )


def found(storage: FolderStorage, into: Path, **options: Any) -> tuple[int, int | None, bytes] | None:
    """Step, updates and weights that a run goes on with."""
    resumed = find_restorable(storage, ORIGIN.prefix, RUN.uid, into, read_batch=ScoredBatch.from_state, **options)
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


OTHER_LAYOUTS: dict[str, dict[str, Any]] = {
    "no position": {"position": None},
    "a position of other members": {"position": {"step": 4}},
    "a position of another step": {"position": TrainState(step=5).to_state()},
    "a batch of another layout": {"position": TrainState(step=4).to_state() | {"batch": {"step": 4}}},
    "something that isn't read without code": {"more": Path("x")},
}
"""What another version of the trainer may have written."""


@pytest.mark.parametrize("what", OTHER_LAYOUTS)
def test_a_state_of_another_layout_gives_way_to_the_one_before(
    storage: FolderStorage, tmp_path: Path, what: str
) -> None:
    """And is named; where there is none before, the run is refused rather than begun again."""
    told: list[str] = []
    newest = write(storage, 4, **OTHER_LAYOUTS[what])
    with pytest.raises(UnreadableError, match="must be a checkpoint that this trainer can read") as refused:
        found(storage, tmp_path / "into")
    assert (refused.value.reason, refused.value.field_path) == (TerminationReason.CHECKPOINT_NOT_FOUND, newest.uri)
    write(storage, 2)
    assert found(storage, tmp_path / "into", say=told.append) == (2, None, b"weights of 2/None")
    assert told == [f"going on from step 2 instead of 4, {newest.uri}: {refused.value.why}"]


def test_a_manifest_of_another_version_gives_way_too(storage: FolderStorage, tmp_path: Path) -> None:
    """Its COMMIT fits it: it isn't broken, so alone it is refused."""
    newest = write(storage, 4)
    commit_manifest(storage, storage.key_of(newest.uri), b'{"version":2}')
    with pytest.raises(UnreadableError):
        found(storage, tmp_path / "into")
    write(storage, 2)
    assert found(storage, tmp_path / "into") == (2, None, b"weights of 2/None")


def test_not_every_checkpoint_is_fetched_for_want_of_a_readable_one(storage: FolderStorage, tmp_path: Path) -> None:
    """A run of another version has hundreds, each as large as its model."""
    for step in range(1, MAX_UNREADABLE + 3):
        write(storage, step, position=None)
    write(storage, 0)
    fetched: list[str] = []
    download = storage.download
    storage.download = lambda key, into: (fetched.append(key.split("/")[-2]), download(key, into))[1]
    with pytest.raises(UnreadableError):
        found(storage, tmp_path / "into")
    assert sorted(set(fetched)) == [f"step-{step}-pod-uid-" for step in (3, 4, 5)]


def test_one_whose_rows_are_lost_gives_way_and_is_not_fetched(storage: FolderStorage, tmp_path: Path) -> None:
    """The ledger is asked before a checkpoint is fetched, and again with its position. Each reason is said once."""
    told: list[str] = []
    saved = {step: write(storage, step) for step in (1, 2, 3, 4, 5)}
    asked: list[tuple[int, int | None]] = []

    def lacks(step: int, position: TrainState | None) -> str | None:
        asked.append((step, None if position is None else position.step))
        if step > 3:
            return "the ledger has 3 steps"
        return "a validation is lost" if step > 1 and position is not None else None

    assert found(storage, tmp_path / "into", lacks=lacks, say=told.append) == (1, None, b"weights of 1/None")
    assert asked == [(5, None), (4, None), (3, None), (3, 3), (2, None), (2, 2), (1, None), (1, 1)]
    assert told == [
        f"passed over {saved[3].uri}: a validation is lost",
        f"going on from step 1 instead of 5, {saved[5].uri}: the ledger has 3 steps",
    ]
    told.clear()
    assert found(storage, tmp_path / "into", lacks=lambda *_: "all is lost", say=told.append) is None
    assert told == [f"beginning again at step 0 instead of 5, {saved[5].uri}: all is lost"]


def test_what_is_older_is_not_spoken_of(storage: FolderStorage, tmp_path: Path) -> None:
    """A broken checkpoint costs nothing where a newer one is whole."""
    told: list[str] = []
    broken = write(storage, 2)
    storage.put(storage.key_of(broken.uri) + "COMMIT", b"{}")
    write(storage, 4)
    assert found(storage, tmp_path / "into", say=told.append) == (4, None, b"weights of 4/None")
    assert told == []


def test_a_storage_that_refuses_is_not_taken_for_broken_checkpoints(storage: FolderStorage, tmp_path: Path) -> None:
    """Or a run whose right to read is gone would begin again, and its work be lost."""
    write(storage, 4)
    refusal = RefusedError(TerminationReason.STORAGE_UNAVAILABLE, "the Secret's keys must be valid")

    def refused(*_: object) -> bytes:
        raise refusal

    for name in ("download", "get"):
        setattr(storage, name, refused)
        with pytest.raises(RefusedError) as raised:
            found(storage, tmp_path / "into")
        assert raised.value is refusal


def test_a_state_that_the_policy_can_not_take_is_tried_once(storage: FolderStorage, tmp_path: Path) -> None:
    """The work is done again from the one before; the policy that has half of it is of no further use."""
    for step in (2, 4):
        write(storage, step)
    worked: list[int | None] = []

    def work(resumed: Resumed | None) -> str:
        worked.append(None if resumed is None else resumed.saved.step)
        if worked[-1] == 4:
            raise UnreadableError(resumed.saved.uri, "KeyError: 'optimizer'")
        return "done"

    def find(unreadable: Any) -> Resumed | None:
        return find_restorable(
            storage, ORIGIN.prefix, RUN.uid, tmp_path / "into", read_batch=ScoredBatch.from_state, unreadable=unreadable
        )

    assert going_on(find, work) == "done"
    assert worked == [4, 2]

"""Checkpoints are written beside training, one at a time, and no failure stays hidden."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from tests.trainyard_trainer.clock import Clock
from tests.trainyard_trainer.saved_models import in_memory
from tests.waiting import GUARD_SECONDS
from trainyard_api.run_config import RunIdentity
from trainyard_trainer.checkpoints import writer as checkpoint_writer
from trainyard_trainer.checkpoints.files import Origin
from trainyard_trainer.checkpoints.writer import CheckpointWriter
from trainyard_trainer.errors import DroppedError
from trainyard_trainer.sinks import SavedCheckpoint, Snapshot
from trainyard_trainer.storage.storage_folder import FolderStorage

ORIGIN = Origin(RunIdentity(namespace="n", name="j", uid="u-1", attempt=1), "pod-uid-1", "n/j/u-1/", None)


def snapshot(step: int, updates: int | None = None) -> Snapshot:
    """A state of one file."""
    return Snapshot(step, step, in_memory({"model.safetensors": b"w"}), {}, {}, updates)


def nothing(_: SavedCheckpoint) -> None:
    """Nobody is told."""


class SlowFolder(FolderStorage):
    """A folder whose puts wait until they may go on; those of the first step alone, if that is said."""

    def __init__(self, root: Path, slow: str = "") -> None:
        super().__init__(root)
        self.go_on = threading.Event()
        self._slow = slow

    def put(self, key: str, content: bytes | BinaryIO) -> None:
        """Wait, then write."""
        if self._slow in key:
            assert self.go_on.wait(GUARD_SECONDS)
        super().put(key, content)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """In the writer's place of a real one."""
    clock = Clock()
    monkeypatch.setattr(checkpoint_writer, "time", clock)
    return clock


def discarded(one: Snapshot) -> bool:
    """Whether a snapshot's space was given back."""
    return all(file.closed for file in one.files.values())


def test_training_goes_on_while_a_checkpoint_is_written(tmp_path: Path) -> None:
    """`save` returns before the files lie there; `finish` returns after COMMIT and the callback."""
    storage = SlowFolder(tmp_path)
    seen: list[SavedCheckpoint] = []
    writer = CheckpointWriter(storage, ORIGIN, seen.append, nothing)
    writer.save(snapshot(1))
    assert not seen
    storage.go_on.set()
    saved = writer.finish()
    assert saved is not None
    assert seen == [saved]
    assert storage.get("n/j/u-1/step-1-pod-uid-/COMMIT")
    writer.close()


def test_it_knows_whether_the_last_state_is_committed(tmp_path: Path) -> None:
    """While it is written, another thread may have to say so; an older one isn't it."""
    storage = SlowFolder(tmp_path, "step-2")
    writer = CheckpointWriter(storage, ORIGIN, nothing, nothing)
    writer.save(snapshot(1))
    writer.finish()
    assert not writer.has_last()
    last = threading.Thread(target=writer.save_last, args=[snapshot(2)])
    last.start()
    time.sleep(0.2)  # for one that says so too early to show itself
    assert not writer.has_last()
    storage.go_on.set()
    last.join(GUARD_SECONDS)
    assert writer.has_last()


def test_work_that_no_commit_holds_is_counted_from_the_newest_to_the_last_state(tmp_path: Path, clock: Clock) -> None:
    """Uploads beside it and the saving at the end are none of it."""
    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, nothing, nothing)
    clock.now += 5.0
    assert writer.unsaved_seconds() == 5.0
    writer.save(snapshot(1))
    writer.finish()
    clock.now += 3.0
    assert writer.unsaved_seconds() == 3.0

    def refuses(*_: object) -> None:
        clock.now += 60.0
        raise OSError

    writer._fence = refuses
    with pytest.raises(OSError):
        writer.save_last(snapshot(2))
    assert writer.unsaved_seconds() == 3.0


def test_the_time_that_saving_took_is_told_with_the_copy_s(tmp_path: Path, clock: Clock) -> None:
    """A stop has to do both."""
    told: list[object] = []

    def claim(_: SavedCheckpoint) -> None:
        clock.now += 2.0
        told.append("claimed")

    writer = CheckpointWriter(
        FolderStorage(tmp_path),
        ORIGIN,
        claim,
        lambda _: told.append("shown"),
        timed=told.append,
    )
    writer.save(replace(snapshot(1), copy_seconds=3.0))
    writer.finish()
    assert told == ["claimed", 5.0, "shown"]


def test_one_is_in_flight(tmp_path: Path) -> None:
    """A second one due meanwhile waits for the first."""
    storage = SlowFolder(tmp_path)
    seen: list[SavedCheckpoint] = []
    writer = CheckpointWriter(storage, ORIGIN, seen.append, nothing)
    writer.save(snapshot(1))
    second = threading.Thread(target=writer.save, args=[snapshot(2)])
    second.start()
    time.sleep(0.2)  # for a second one that doesn't wait to show itself
    assert second.is_alive()
    storage.go_on.set()
    second.join(GUARD_SECONDS)
    assert [saved.step for saved in seen][:1] == [1]
    newest = writer.finish()
    assert newest is not None
    assert newest.step == 2
    writer.close()


def test_a_state_already_committed_is_not_written_again(tmp_path: Path) -> None:
    """A stop right after a periodic checkpoint names that one."""
    seen: list[SavedCheckpoint] = []
    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, seen.append, nothing)
    writer.save(snapshot(4))
    first = writer.finish()
    writer.save(snapshot(4))
    assert writer.finish() is first
    assert len(seen) == 1
    writer.close()


def test_nothing_saved_is_nothing_finished(tmp_path: Path) -> None:
    """A run that ends before its first checkpoint."""
    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, nothing, nothing)
    assert writer.finish() is None
    writer.close()


@pytest.mark.parametrize("surface", ["save", "finish"])
def test_a_failure_surfaces_at_the_next_call(tmp_path: Path, surface: str) -> None:
    """A run whose checkpoints can't be kept must not go on as if they were."""

    def refuse(_: SavedCheckpoint) -> None:
        raise ConnectionError("the ledger is away")

    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, refuse, nothing)
    writer.save(snapshot(1))
    with pytest.raises(ConnectionError, match="the ledger is away"):
        writer.save(snapshot(2)) if surface == "save" else writer.finish()
    writer.close()


def test_a_failure_that_nobody_waited_for_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The run ended of something else meanwhile."""
    (tmp_path / "n").write_text("a file where a folder must be")
    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, nothing, nothing)
    writer.save(snapshot(1))
    with caplog.at_level(logging.ERROR):
        writer.close()
    assert "checkpoint not committed" in caplog.text


def test_between_two_updates_is_another_state(tmp_path: Path) -> None:
    """Each number of updates has a folder of its own, and is newer than the step that it follows."""
    seen: list[SavedCheckpoint] = []
    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, seen.append, nothing)
    for updates in (None, 0, 1, 1, 2):
        writer.save(snapshot(4, updates))
    writer.finish()
    assert [(saved.step, saved.updates) for saved in seen] == [(4, None), (4, 0), (4, 1), (4, 2)]
    assert [saved.uri.rsplit("/", 2)[1] for saved in seen] == [
        "step-4-pod-uid-",
        "step-4-u0-pod-uid-",
        "step-4-u1-pod-uid-",
        "step-4-u2-pod-uid-",
    ]


def test_the_state_that_a_run_went_on_from_is_not_written_again(tmp_path: Path) -> None:
    """A stop right after a resume, and a run that died after its final COMMIT, name what is there."""
    first = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, nothing, nothing)
    resumed = first.save_last(snapshot(4))
    writer = CheckpointWriter(
        FolderStorage(tmp_path), replace(ORIGIN, pod_uid="pod-2"), nothing, nothing, resumed=resumed
    )
    assert writer.finish() is resumed
    writer.save(snapshot(4))
    assert writer.save_last(snapshot(4)) is resumed
    assert len({path.parent for path in tmp_path.rglob("COMMIT")}) == 1


def test_a_stop_saves_the_newest_state_while_an_older_upload_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older is given up between two files: it is never committed, and nobody waits for it for ever."""
    monkeypatch.setattr(checkpoint_writer, "ABANDON_SECONDS", 0.1)
    storage, shown = SlowFolder(tmp_path, "step-1-"), []
    writer = CheckpointWriter(storage, ORIGIN, nothing, shown.append)
    writer.save(snapshot(1))
    older = writer._in_flight
    assert older is not None
    saved = writer.save_last(snapshot(3))
    assert (saved.step, [one.step for one in shown]) == (3, [3])
    storage.go_on.set()
    older.join(GUARD_SECONDS)
    assert not older.is_alive()
    assert not list(tmp_path.rglob("step-1-*/COMMIT"))


def test_an_older_upload_that_needs_no_longer_than_the_newest_is_committed(tmp_path: Path, clock: Clock) -> None:
    """It may be the best state that validation found; the newer one stays what is shown, with its time."""
    storage, shown, timed = SlowFolder(tmp_path, "step-1-"), [], []

    def show(saved: SavedCheckpoint) -> None:
        shown.append(saved.step)
        clock.now += GUARD_SECONDS  # so long has the newest taken
        threading.Timer(0.1, storage.go_on.set).start()

    writer = CheckpointWriter(storage, ORIGIN, nothing, show, timed=timed.append)
    writer.save(snapshot(1))
    assert writer.save_last(snapshot(3)).step == 3
    assert (shown, len(timed)) == ([3], 1)
    assert list(tmp_path.rglob("step-1-*/COMMIT"))


def test_a_stop_whose_state_is_on_its_way_waits_for_it(tmp_path: Path) -> None:
    """A periodic checkpoint was due just before."""
    storage, claimed = SlowFolder(tmp_path), []
    writer = CheckpointWriter(storage, ORIGIN, claimed.append, nothing)
    writer.save(snapshot(2))
    # Nothing depends on when: it waits if the stop comes first, and finds it done if not.
    threading.Timer(0.1, storage.go_on.set).start()
    assert writer.save_last(snapshot(2)).step == 2
    assert len(claimed) == 1


def test_an_older_upload_that_is_done_is_claimed_but_not_shown_as_the_newest(tmp_path: Path) -> None:
    """It was past its last file when the stop came: it is a checkpoint, and the newer one stays the newest."""
    claimed: list[int] = []
    shown: list[int] = []
    in_claim, go_on = threading.Event(), threading.Event()

    def claim(saved: SavedCheckpoint) -> None:
        claimed.append(saved.step)
        if saved.step == 1:
            in_claim.set()
            assert go_on.wait(GUARD_SECONDS)

    def show(saved: SavedCheckpoint) -> None:
        shown.append(saved.step)
        go_on.set()

    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, claim, show)
    writer.save(snapshot(1))
    older = writer._in_flight
    assert older is not None
    assert in_claim.wait(GUARD_SECONDS)
    assert writer.save_last(snapshot(2)).step == 2
    older.join(GUARD_SECONDS)
    assert (sorted(claimed), shown) == ([1, 2], [2])


def test_who_is_asked_to_stop_waits_for_no_upload(tmp_path: Path) -> None:
    """It stays in flight, and is finished beside the newest state."""
    storage = SlowFolder(tmp_path, "step-1-")
    writer = CheckpointWriter(storage, ORIGIN, nothing, nothing)
    writer.save(snapshot(1))
    with pytest.raises(DroppedError):
        writer.finish(lambda: True)
    storage.go_on.set()
    assert writer.save_last(snapshot(2)).step == 2
    assert list(tmp_path.rglob("step-1-*/COMMIT"))


def test_a_commit_is_known_before_anybody_waits_for_it(tmp_path: Path) -> None:
    """Also while its claim hangs: a run that is out of time names it."""
    claimed, go_on = threading.Event(), threading.Event()

    def claim(_: SavedCheckpoint) -> None:
        claimed.set()
        assert go_on.wait(GUARD_SECONDS)

    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, claim, nothing)
    assert writer.committed is None
    writer.save(snapshot(1))
    assert claimed.wait(GUARD_SECONDS)
    assert writer.committed is not None
    assert writer.committed.step == 1
    go_on.set()
    writer.close()


def test_a_failed_older_upload_does_not_keep_a_stop_from_saving(tmp_path: Path) -> None:
    """The newest state is what counts; the older failure is in the log."""

    def refuse_first(saved: SavedCheckpoint) -> None:
        if saved.step == 1:
            raise ConnectionError("the ledger was away")

    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, refuse_first, nothing)
    writer.save(snapshot(1))
    assert writer.save_last(snapshot(2)).step == 2


def test_a_pod_that_was_succeeded_commits_nothing(tmp_path: Path) -> None:
    """Its upload was on its way when another attempt began: a state that the other's rows don't fit isn't resumable."""

    def fence() -> None:
        raise PermissionError("attempt 2 is the current one")

    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, nothing, nothing, fence=fence)
    writer.save(snapshot(1))
    with pytest.raises(PermissionError, match="attempt 2"):
        writer.finish()
    assert list(tmp_path.rglob("manifest.json"))
    assert not list(tmp_path.rglob("COMMIT"))


def test_a_snapshot_is_discarded_once_it_is_written(tmp_path: Path) -> None:
    """Not before, and not by waiting for the next: its copy takes disk and memory."""
    storage, moments = SlowFolder(tmp_path), torch.ones(2)
    given, in_memory_too = replace(snapshot(1), trainer_state={"moments": moments}), weakref.ref(moments)
    writer = CheckpointWriter(storage, ORIGIN, nothing, nothing)
    writer.save(given)
    upload = writer._in_flight
    assert upload is not None
    assert not discarded(given)
    storage.go_on.set()
    upload.join(GUARD_SECONDS)
    assert discarded(given)
    del given, moments
    assert in_memory_too() is None


def test_a_snapshot_that_needs_no_writing_is_discarded(tmp_path: Path) -> None:
    """Its state is committed, or on its way."""
    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, nothing, nothing)
    writer.save(snapshot(1))
    saved, at_the_stop = snapshot(1), snapshot(1)
    writer.save(saved)
    assert discarded(saved)
    writer.save_last(at_the_stop)
    assert discarded(at_the_stop)

    storage, beside = SlowFolder(tmp_path), snapshot(2)
    writer = CheckpointWriter(storage, ORIGIN, nothing, nothing)
    writer.save(snapshot(2))
    threading.Timer(0.1, storage.go_on.set).start()
    writer.save_last(beside)
    assert discarded(beside)


def test_a_snapshot_that_can_not_be_written_is_discarded(tmp_path: Path) -> None:
    """The storage fails while it is written, or failed at the one before."""
    (tmp_path / "n").write_text("a file where a folder must be")
    writer = CheckpointWriter(FolderStorage(tmp_path), ORIGIN, nothing, nothing)
    first, second = snapshot(1), snapshot(2)
    writer.save(first)
    with pytest.raises(OSError, match="n"):
        writer.save(second)
    assert discarded(first)
    assert discarded(second)

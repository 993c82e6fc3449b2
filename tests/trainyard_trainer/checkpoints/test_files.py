"""A checkpoint counts only when it is whole, and is read only when every digest holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests import servers
from tests.trainyard_trainer.saved_models import commit_manifest, in_memory
from trainyard_api.checkpoint_manifest import CheckpointManifest, canonical_json, digest_of
from trainyard_api.model_source import S3Location, SecretReference
from trainyard_api.names import checkpoint_folder
from trainyard_api.run_config import RunIdentity
from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.files import (
    AbandonedError,
    Origin,
    UnknownLayoutError,
    all_committed,
    load_checkpoint,
    named_state,
    newest_committed,
    state_of,
    write_checkpoint,
)
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.sinks import SavedCheckpoint, Snapshot
from trainyard_trainer.storage.storage_folder import FolderStorage
from trainyard_trainer.storage.storage_s3 import Credentials, Fields, S3Storage

RUN = RunIdentity(namespace="team-a", name="calculator", uid="11111111-2222", attempt=1)
ORIGIN = Origin(RUN, "abcdef01-2345", "demo/team-a/calculator/11111111-2222/", "s3://bucket/parent/")
FOLDER = ORIGIN.prefix + "step-3-abcdef01/"


FILES = {"model.safetensors": b"weights" * 1000, "tokenizer/vocab.json": b"{}"}


def snapshot(step: int = 3) -> Snapshot:
    """A state of two files and a tensor."""
    files = in_memory(FILES)
    return Snapshot(step, step, files, {"moments": torch.arange(4.0), "step": step}, {"reward": "0.5"})


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    """An empty folder."""
    return FolderStorage(tmp_path / "bucket")


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """Where files are copied to."""
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def load(storage: FolderStorage, saved: SavedCheckpoint, into: Path) -> CheckpointManifest:
    """Load what was saved."""
    return load_checkpoint(storage, saved.uri, saved.digest, into)


def refusal_of(storage: FolderStorage, saved: SavedCheckpoint, into: Path) -> RefusedError:
    """What loading it raises."""
    with pytest.raises(RefusedError) as refused:
        load(storage, saved, into)
    assert refused.value.field_path == "spec.model.checkpoint"
    return refused.value


def test_what_is_saved_can_be_loaded(storage: FolderStorage, into: Path) -> None:
    """Files come back byte for byte; the trainer's state without running code of it."""
    saved = write_checkpoint(storage, ORIGIN, snapshot())
    manifest = load(storage, saved, into)

    assert saved.uri == storage.uri(FOLDER)
    assert (saved.step, saved.parent_uri, saved.metrics) == (3, "s3://bucket/parent/", {"reward": "0.5"})
    assert (manifest.training_job, manifest.run_uid, manifest.attempt, manifest.step) == ("calculator", RUN.uid, 1, 3)
    assert {path: (into / path).read_bytes() for path in FILES} == FILES
    state = torch.load(into / "trainer_state.pt", weights_only=True)
    assert torch.equal(state["moments"], torch.arange(4.0))
    assert saved.size_bytes == sum(path.stat().st_size for path in into.rglob("*") if path.is_file())


def test_commit_is_last_and_names_the_manifest(storage: FolderStorage) -> None:
    """Whatever is there before `COMMIT` is a folder without meaning."""
    order = []
    put, put_if_absent = storage.put, storage.put_if_absent
    storage.put = lambda key, content: (order.append(key), put(key, content))[1]
    storage.put_if_absent = lambda key, content: (order.append(key), put_if_absent(key, content))[1]

    saved = write_checkpoint(storage, ORIGIN, snapshot())

    assert [key.removeprefix(FOLDER) for key in order[-2:]] == ["manifest.json", "COMMIT"]
    assert digest_of(storage.get(FOLDER + "manifest.json")) == saved.digest
    assert json.loads(storage.get(FOLDER + "COMMIT")) == {"manifestDigest": saved.digest}


def test_a_save_cut_off_before_commit_is_no_checkpoint(storage: FolderStorage, into: Path) -> None:
    """The pod dies while writing: readers find nothing, and say where they looked."""
    saved = write_checkpoint(storage, ORIGIN, snapshot())
    (into.parent / "bucket" / FOLDER / "COMMIT").unlink()

    assert newest_committed(storage, ORIGIN.prefix) is None
    error = refusal_of(storage, saved, into)
    assert error.reason == TerminationReason.CHECKPOINT_NOT_FOUND
    assert error.value == saved.uri


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("model.safetensors", b"weightz" * 1000, "must have 7000 bytes with SHA-256"),
        ("model.safetensors", b"short", "got '5 bytes"),
        ("model.safetensors", None, "must hold model.safetensors, which its manifest.json names"),
        ("manifest.json", b"{}", "that COMMIT names"),
        ("COMMIT", b"{}", "COMMIT must hold the digest of manifest.json in"),
    ],
)
def test_a_file_that_was_changed_is_refused(
    storage: FolderStorage, into: Path, file: str, content: bytes | None, words: str
) -> None:
    """One byte, one missing file, or another manifest: nothing of it is trained on."""
    saved = write_checkpoint(storage, ORIGIN, snapshot())
    path = into.parent / "bucket" / FOLDER / file
    path.unlink() if content is None else path.write_bytes(content)

    error = refusal_of(storage, saved, into)
    assert error.reason == TerminationReason.DIGEST_MISMATCH
    assert words in str(error)


def test_another_digest_than_pinned_is_refused(storage: FolderStorage, into: Path) -> None:
    """A folder that was committed anew isn't what the job was pinned to."""
    saved = write_checkpoint(storage, ORIGIN, snapshot())
    with pytest.raises(RefusedError, match=f"got '{saved.digest}'") as refused:
        load_checkpoint(storage, saved.uri, "sha256:" + "0" * 64, into)
    assert refused.value.reason == TerminationReason.DIGEST_MISMATCH


def test_an_address_elsewhere_is_refused(storage: FolderStorage, into: Path) -> None:
    """The files must lie in the storage that the Checkpoint names."""
    with pytest.raises(RefusedError, match="must lie in the storage") as refused:
        load_checkpoint(storage, "s3://elsewhere/x/", "sha256:" + "0" * 64, into)
    assert refused.value.reason == TerminationReason.CHECKPOINT_NOT_FOUND


def test_a_folder_is_committed_once(storage: FolderStorage) -> None:
    """A second commit of one folder with another content fails, and the first stays."""
    saved = write_checkpoint(storage, ORIGIN, snapshot())
    other = replace(snapshot(), metrics={"reward": "0.6"})
    with pytest.raises(FileExistsError, match="already committed"):
        write_checkpoint(storage, ORIGIN, other)
    assert json.loads(storage.get(FOLDER + "COMMIT")) == {"manifestDigest": saved.digest}


def test_a_commit_whose_reply_was_lost_counts(storage: FolderStorage, into: Path) -> None:
    """The client library's second try finds the key there; the checkpoint is committed all the same."""
    put_if_absent = storage.put_if_absent
    storage.put_if_absent = lambda key, content: put_if_absent(key, content) and put_if_absent(key, content)
    saved = write_checkpoint(storage, ORIGIN, snapshot())
    assert load(storage, saved, into).step == 3


def test_a_path_that_climbs_out_is_refused(storage: FolderStorage) -> None:
    """Before anything is written."""
    bad = Snapshot(1, 1, in_memory({"../escape": b""}), {}, {})
    with pytest.raises(ValueError, match="path"):
        write_checkpoint(storage, ORIGIN, bad)
    assert list(storage.list("")) == []


def test_the_newest_committed_is_the_one_with_most_steps(storage: FolderStorage) -> None:
    """By number, not by name; a folder whose manifest doesn't fit its COMMIT doesn't count."""
    for step in (9, 10):
        write_checkpoint(storage, ORIGIN, snapshot(step))
    broken = write_checkpoint(storage, ORIGIN, snapshot(11))
    storage.put(storage.key_of(broken.uri) + "manifest.json", b"{}")

    newest = newest_committed(storage, "demo/team-a/calculator/")
    assert newest is not None
    assert newest.step == 10
    assert newest.uri.endswith("/step-10-abcdef01/")
    assert newest_committed(storage, "demo/team-a/other/") is None


def test_states_are_ordered_by_steps_then_by_updates(storage: FolderStorage) -> None:
    """Between two updates of a step is newer than the step before, and older than the step itself."""
    for step, updates in ((4, None), (3, 2), (3, 0), (3, None), (3, 10)):
        write_checkpoint(storage, ORIGIN, replace(snapshot(step), updates=updates))
    found = [(one.step, one.manifest.updates) for one in all_committed(storage, ORIGIN.prefix)]
    assert found == [(4, None), (3, 10), (3, 2), (3, 0), (3, None)]


def test_the_manifest_says_what_it_holds(storage: FolderStorage, into: Path) -> None:
    """Updates done, the adapter's base, the run's tags; what is found is what was saved, by its writer's attempt."""
    origin = replace(ORIGIN, tags={"commit": "0123abc"})
    saved = write_checkpoint(storage, origin, replace(snapshot(), updates=2, adapter_base="sha256:" + "1" * 64))
    manifest = load(storage, saved, into)
    assert (manifest.updates, manifest.tags, manifest.adapter_base) == (2, {"commit": "0123abc"}, "sha256:" + "1" * 64)
    assert saved.uri.endswith("/step-3-u2-abcdef01/")
    assert newest_committed(storage, ORIGIN.prefix).saved() == replace(saved, attempt=1)


def test_one_that_is_given_up_is_not_committed(storage: FolderStorage) -> None:
    """Whenever it is given up before its COMMIT, at whichever file."""
    for files in range(4):
        answers = iter([False] * files + [True])
        with pytest.raises(AbandonedError):
            write_checkpoint(storage, ORIGIN, snapshot(), lambda answers=answers: next(answers))
    assert newest_committed(storage, ORIGIN.prefix) is None


@pytest.mark.parametrize("file", ["COMMIT", "manifest.json", "model.safetensors", "tokenizer/vocab.json"])
def test_a_folder_in_a_file_s_place_is_refused(storage: FolderStorage, into: Path, file: str) -> None:
    """As a file that isn't there, not with the file system's error."""
    saved = write_checkpoint(storage, ORIGIN, snapshot())
    path = into.parent / "bucket" / FOLDER / file
    path.unlink()
    path.mkdir()
    assert refusal_of(storage, saved, into).reason in {
        TerminationReason.CHECKPOINT_NOT_FOUND,
        TerminationReason.DIGEST_MISMATCH,
    }
    assert (newest_committed(storage, ORIGIN.prefix) is None) == (file in {"COMMIT", "manifest.json"})


def rewrite(storage: FolderStorage, text: bytes) -> SavedCheckpoint:
    """A checkpoint with another manifest, which its COMMIT names."""
    saved = write_checkpoint(storage, ORIGIN, snapshot())
    commit_manifest(storage, FOLDER, text)
    return replace(saved, digest=digest_of(text))


@pytest.mark.parametrize("text", [b"", b"\xff", b"[]", b'{"version": 2}', b"[" * 100_000])
def test_a_manifest_that_this_trainer_does_not_understand_is_refused(
    storage: FolderStorage, into: Path, text: bytes
) -> None:
    """Though its COMMIT fits it: another version wrote it, or somebody who means harm."""
    error = refusal_of(storage, rewrite(storage, text), into)
    assert isinstance(error, UnknownLayoutError)
    assert "must be one that this trainer understands" in str(error)
    assert error.value == storage.uri(FOLDER)
    assert len(str(error)) <= 256 + 150 + len(storage.uri(FOLDER))


def test_a_manifest_that_names_a_file_and_a_folder_alike_is_refused(storage: FolderStorage, into: Path) -> None:
    """No honest trainer writes it."""
    write_checkpoint(storage, ORIGIN, snapshot())
    body = json.loads(storage.get(FOLDER + "manifest.json"))
    entry = next(entry for entry in body["files"] if entry["path"] == "model.safetensors")
    body["files"] = [entry, entry | {"path": "model.safetensors/below"}]
    (into.parent / "bucket" / FOLDER / "manifest.json").unlink()
    error = refusal_of(storage, rewrite(storage, canonical_json(body)), into)
    assert "must not name a file and a folder alike" in str(error)


def test_a_storage_that_refuses_gives_no_list(storage: FolderStorage) -> None:
    """Whoever asks for the newest must not take a forbidden bucket for an empty one; broken ones are told of."""
    write_checkpoint(storage, ORIGIN, snapshot(3))
    broken = write_checkpoint(storage, ORIGIN, snapshot(4))
    storage.put(storage.key_of(broken.uri) + "COMMIT", b"{}")
    told: list[str] = []
    assert [one.step for one in all_committed(storage, ORIGIN.prefix, lambda uri, _: told.append(uri))] == [3]
    assert told == [broken.uri]

    def refused(_: str) -> bytes:
        raise RefusedError(TerminationReason.STORAGE_UNAVAILABLE, "no")

    storage.get = refused
    with pytest.raises(RefusedError) as raised:
        all_committed(storage, ORIGIN.prefix)
    assert raised.value.reason == TerminationReason.STORAGE_UNAVAILABLE


def test_a_folder_s_name_tells_its_state() -> None:
    """Of a checkpoint that can't be read; what isn't named for a state tells none."""
    for step, updates in ((0, None), (12, None), (3, 0), (3, 2)):
        uri = f"s3://b/n/j/u/{checkpoint_folder(step, 'abcdef01-2345', updates)}"
        assert named_state(uri) == state_of(step, updates)
    for name in ("step-x-a/", "step-12/", "final/", "step-1-a"):
        assert named_state(f"s3://b/{name}") is None


@pytest.mark.integration
def test_a_bucket_holds_the_same(s3: servers.S3Server, into: Path) -> None:
    """On a real S3 server: saved, found, loaded, and no object of the folder is newer than COMMIT."""
    location = S3Location(
        bucket=s3.make_bucket(), endpoint=s3.endpoint, secret_ref=SecretReference(name="trainyard-s3")
    )
    storage = S3Storage(location, Credentials(s3.access_key, s3.secret_key), Fields.below("spec"))
    saved = write_checkpoint(storage, ORIGIN, snapshot())
    newest = newest_committed(storage, ORIGIN.prefix)

    assert newest is not None
    assert (newest.uri, newest.digest) == (saved.uri, saved.digest)
    assert load_checkpoint(storage, saved.uri, saved.digest, into).size_bytes == saved.size_bytes
    times = {found.key: found.modified for found in storage.list(FOLDER)}
    assert max(times.values()) == times[FOLDER + "COMMIT"]
    storage.close()

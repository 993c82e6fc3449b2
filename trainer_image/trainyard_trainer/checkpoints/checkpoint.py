"""Checkpoints as files: written so that a folder counts only when it is whole, read only when every digest holds.

Place in the data's way: station 9. The order of writing is the protocol: files, then `manifest.json`, which lists them
with size and SHA-256, then `COMMIT`, which holds the manifest's digest and is created only if absent. Nothing here
deletes, and nothing here decides when a checkpoint is due.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import torch
from pydantic import ValidationError

from trainyard_api.checkpoint_manifest import CheckpointManifest, Commit, FileEntry, canonical_json, digest_of
from trainyard_api.names import COMMIT_FILE, MANIFEST_FILE, checkpoint_folder
from trainyard_api.run_config import RunIdentity
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.outlets import SavedCheckpoint, Snapshot
from trainyard_trainer.storage.storage import Storage

TRAINER_STATE_FILE: Final = "trainer_state.pt"
_FIELD: Final = "spec.model.checkpoint"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who writes a checkpoint, where, and from what the run started.

    `prefix` is the run's key prefix with its trailing slash; folders carry the pod's uid, so no two pods share one.
    """

    run: RunIdentity
    pod_uid: str
    prefix: str
    parent_uri: str | None


@dataclass(frozen=True, slots=True)
class Committed:
    """A checkpoint found in a storage."""

    step: int
    uri: str
    digest: str


def write_checkpoint(storage: Storage, origin: Origin, snapshot: Snapshot) -> SavedCheckpoint:
    """Write a snapshot's files and commit them.

    Raises:
        FileExistsError: the folder is already committed, with other files.
    """
    folder = origin.prefix + checkpoint_folder(snapshot.step, origin.pod_uid)
    entries = []
    for path, content in snapshot.files.items():
        # The entry first: it refuses paths that readers would refuse.
        entries.append(FileEntry(path=path, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))
        storage.put(folder + path, content)
    with _trainer_state(snapshot) as file:
        entries.append(FileEntry(path=TRAINER_STATE_FILE, size_bytes=file.stat().st_size, sha256=_sha256(file)))
        storage.put(folder + TRAINER_STATE_FILE, file)
    manifest = CheckpointManifest(
        namespace=origin.run.namespace,
        training_job=origin.run.name,
        run_uid=origin.run.uid,
        attempt=origin.run.attempt,
        step=snapshot.step,
        parent_uri=origin.parent_uri,
        metrics=dict(snapshot.metrics),
        files=sorted(entries, key=lambda entry: entry.path),
    )
    text = canonical_json(manifest.to_wire())
    digest = digest_of(text)
    storage.put(folder + MANIFEST_FILE, text)
    commit = canonical_json(Commit(manifest_digest=digest).to_wire())
    # A client library repeats a put whose reply was lost, and is told then that the key exists: by its own first try.
    if not storage.put_if_absent(folder + COMMIT_FILE, commit) and storage.get(folder + COMMIT_FILE) != commit:
        raise FileExistsError(f"{storage.uri(folder)}: already committed, with other files; a pod writes each once")
    return SavedCheckpoint(
        step=snapshot.step,
        uri=storage.uri(folder),
        digest=digest,
        size_bytes=manifest.size_bytes,
        metrics=manifest.metrics,
        parent_uri=origin.parent_uri,
    )


def load_checkpoint(storage: Storage, uri: str, expected_digest: str, into: Path) -> CheckpointManifest:
    """Copy a checkpoint's files into a folder and verify `COMMIT`, the manifest, and each file's size and SHA-256.

    Args:
        storage: where the files lie.
        uri: folder of the files.
        expected_digest: digest of the manifest.
        into: an existing, empty folder.

    Raises:
        RefusedError: it isn't there, isn't committed, or holds something else than was asked for.
    """
    folder = storage.key_of(uri if uri.endswith("/") else uri + "/")
    if folder is None:
        raise RefusedError(
            TerminationReason.CHECKPOINT_NOT_FOUND,
            f"must lie in the storage of its Checkpoint, {storage.uri('')}",
            field_path=_FIELD,
            value=uri,
        )
    manifest, digest = _read_manifest(storage, folder)
    if digest != expected_digest:
        raise _mismatch(f"manifest.json must have the digest {expected_digest} that the Checkpoint names", digest)
    for entry in manifest.files:
        target = into / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            storage.download(folder + entry.path, target)
        except FileNotFoundError as error:
            raise _mismatch(f"every file of manifest.json must lie in {uri}", f"no {entry.path}") from error
        size, sha256 = target.stat().st_size, _sha256(target)
        if (size, sha256) != (entry.size_bytes, entry.sha256):
            raise _mismatch(
                f"{entry.path} must have {entry.size_bytes} bytes with SHA-256 {entry.sha256}, as manifest.json says",
                f"{size} bytes with SHA-256 {sha256}",
            )
    return manifest


def newest_committed(storage: Storage, prefix: str) -> Committed | None:
    """The committed checkpoint with the highest step below a key prefix; of equal steps, the one committed last.

    Folders whose `COMMIT` doesn't fit their manifest don't count.
    """
    best: tuple[int, datetime, Committed] | None = None
    for found in storage.list(prefix):
        folder, _, name = found.key.rpartition("/")
        if name != COMMIT_FILE:
            continue
        try:
            manifest, digest = _read_manifest(storage, folder + "/")
        except RefusedError:
            continue
        candidate = Committed(manifest.step, storage.uri(folder + "/"), digest)
        if best is None or (manifest.step, found.modified) > best[:2]:
            best = (manifest.step, found.modified, candidate)
    return None if best is None else best[2]


def _read_manifest(storage: Storage, folder: str) -> tuple[CheckpointManifest, str]:
    """The manifest that a folder's `COMMIT` names, and its digest."""
    uri = storage.uri(folder)
    try:
        commit = Commit.model_validate_json(storage.get(folder + COMMIT_FILE))
        text = storage.get(folder + MANIFEST_FILE)
    except FileNotFoundError as error:
        raise RefusedError(
            TerminationReason.CHECKPOINT_NOT_FOUND,
            "must be a committed checkpoint: its folder holds COMMIT and manifest.json",
            field_path=_FIELD,
            value=uri,
        ) from error
    except ValidationError as error:
        raise _mismatch(f"COMMIT must hold the digest of manifest.json in {uri}", "something else") from error
    digest = digest_of(text)
    if digest != commit.manifest_digest:
        raise _mismatch(f"manifest.json must have the digest {commit.manifest_digest} that COMMIT names", digest)
    try:
        return CheckpointManifest.model_validate(json.loads(text), extra="forbid"), digest
    except ValueError as error:
        raise _mismatch(f"manifest.json of {uri} must be one that this trainer understands", str(error)) from error


def _mismatch(rule: str, got: str) -> RefusedError:
    return RefusedError(TerminationReason.DIGEST_MISMATCH, rule, field_path=_FIELD, value=got)


@contextmanager
def _trainer_state(snapshot: Snapshot) -> Iterator[Path]:
    """The trainer's state as a file; read it with `torch.load(..., weights_only=True)`."""
    with tempfile.TemporaryDirectory(prefix="trainer-state-") as folder:
        path = Path(folder) / TRAINER_STATE_FILE
        torch.save(dict(snapshot.trainer_state), path)
        yield path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

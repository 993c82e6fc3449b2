"""Writes checkpoints so that a folder counts only when it is whole, and reads them only when every digest holds.

Place in the data's way: station 9. The order of writing is the protocol: files, then `manifest.json`, which lists them
with size and SHA-256, then `COMMIT`, which holds the manifest's digest and is created only if absent. Nothing here
deletes, and nothing here decides when a checkpoint is due.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import ValidationError

from trainyard_api.checkpoint_manifest import CheckpointManifest, Commit, FileEntry, canonical_json, digest_of
from trainyard_api.names import COMMIT_FILE, MANIFEST_FILE, ROWS_FOLDER, checkpoint_folder
from trainyard_api.run_config import RunIdentity
from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.snapshot_files import copy_files
from trainyard_trainer.errors import RefusedError, TrainerError
from trainyard_trainer.sinks import SavedCheckpoint, Snapshot, SnapshotFile
from trainyard_trainer.storage.storage import Storage

_log = logging.getLogger(__name__)

TRAINER_STATE_FILE: Final = "trainer_state.pt"
_FIELD: Final = "spec.model.checkpoint"
_BROKEN: Final = frozenset({TerminationReason.CHECKPOINT_NOT_FOUND, TerminationReason.DIGEST_MISMATCH})
"""What is refused of a checkpoint; anything else is of the storage itself, and says nothing of the files in it."""
_CHUNK_BYTES: Final = 2**20
_SHOWN_CHARACTERS: Final = 256
"""Most characters that are told of what a library said."""

State = tuple[int, int]
"""Finished steps, and how far the next one is: the order in which a run's states come."""


def state_of(step: int, updates: int | None) -> State:
    """Orders a state between two steps before that of the next one's scored rollouts, and this before its updates."""
    return step, 0 if updates is None else updates + 1


class AbandonedError(TrainerError):
    """Says that the writing of a checkpoint was given up before its `COMMIT`."""


class UnknownLayoutError(RefusedError):
    """Refuses a manifest whose digest holds, but which another version of the trainer wrote."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Says who writes a checkpoint, where, and from what the run started.

    `prefix` is the run's key prefix with its trailing slash; folders carry the pod's uid, so no two pods share one.
    `tags` are the manifest's words about the run.
    """

    run: RunIdentity
    pod_uid: str
    prefix: str
    parent_uri: str | None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Committed:
    """Holds a checkpoint found in a storage: what its `COMMIT` says, and the manifest that fits it."""

    uri: str
    digest: str
    manifest: CheckpointManifest

    @property
    def step(self) -> int:
        """Counts the finished steps."""
        return self.manifest.step

    @property
    def state(self) -> State:
        """Tells where it stands among the run's states."""
        return state_of(self.manifest.step, self.manifest.updates)

    def saved(self) -> SavedCheckpoint:
        """Tells it as the pod saw it that wrote it."""
        return SavedCheckpoint(
            step=self.manifest.step,
            uri=self.uri,
            digest=self.digest,
            size_bytes=self.manifest.size_bytes,
            metrics=self.manifest.metrics,
            parent_uri=self.manifest.parent_uri,
            updates=self.manifest.updates,
            attempt=self.manifest.attempt,
            unwritten_rows=self.manifest.unwritten_rows,
        )


def write_checkpoint(
    storage: Storage,
    origin: Origin,
    snapshot: Snapshot,
    given_up: Callable[[], bool] = lambda: False,
    fence: Callable[[], None] = lambda: None,
    *,
    keep_rows: Callable[[Path], int | None] = lambda _: None,
) -> SavedCheckpoint:
    """Writes a snapshot's files, as streams, and commits them; the snapshot stays as it is.

    Args:
        storage: where to.
        origin: who writes.
        snapshot: what.
        given_up: asked before each file; once it says so, nothing more is written.
        fence: called right before `COMMIT`; raises where another pod has taken this one's place.
        keep_rows: called when all other files are written; writes the rows that the ledger lacks as files of a folder,
            and returns how many, None where it lacks none. Raises as `fence` does.

    Raises:
        FileExistsError: the folder is already committed, with other files.
        AbandonedError: it was given up.
    """
    folder = origin.prefix + checkpoint_folder(snapshot.step, origin.pod_uid, snapshot.updates)

    def go_on() -> None:
        if given_up():
            raise AbandonedError(storage.uri(folder))

    def put(path: str, file: SnapshotFile) -> FileEntry:
        go_on()
        with file.open() as stream:
            # The entry first: it refuses paths that readers would refuse.
            entry = FileEntry(path=path, size_bytes=file.size_bytes, sha256=_sha256(stream))
        with file.open() as stream:
            storage.put(folder + path, stream)
        return entry

    entries = [put(path, file) for path, file in snapshot.files.items()]
    with contextlib.closing(_trainer_state(snapshot)) as state:
        entries.append(put(TRAINER_STATE_FILE, state))
    row_files, unwritten = _row_files(keep_rows)
    for path, file in row_files.items():
        with contextlib.closing(file):
            entries.append(put(path, file))
    manifest = _manifest(origin, snapshot, entries).model_copy(update={"unwritten_rows": unwritten})
    text = canonical_json(manifest.to_wire())
    digest = digest_of(text)
    go_on()
    storage.put(folder + MANIFEST_FILE, text)
    fence()
    commit = canonical_json(Commit(manifest_digest=digest).to_wire())
    # A client library repeats a put whose reply was lost, and is told then that the key exists: by its own first try.
    if not storage.put_if_absent(folder + COMMIT_FILE, commit) and storage.get(folder + COMMIT_FILE) != commit:
        raise FileExistsError(f"{storage.uri(folder)}: already committed, with other files; a pod writes each once")
    return replace(Committed(storage.uri(folder), digest, manifest).saved(), attempt=None)


def _manifest(origin: Origin, snapshot: Snapshot, entries: Sequence[FileEntry]) -> CheckpointManifest:
    return CheckpointManifest(
        namespace=origin.run.namespace,
        training_job=origin.run.name,
        run_uid=origin.run.uid,
        attempt=origin.run.attempt,
        step=snapshot.step,
        updates=snapshot.updates,
        adapter_base=snapshot.adapter_base,
        tags=dict(origin.tags),
        parent_uri=origin.parent_uri,
        metrics=dict(snapshot.metrics),
        files=sorted(entries, key=lambda entry: entry.path),
    )


def _row_files(keep_rows: Callable[[Path], int | None]) -> tuple[Mapping[str, SnapshotFile], int | None]:
    """Copies the rows that the ledger lacks into files, by their path; says how many rows they are."""
    counted: list[int | None] = []
    files = copy_files(lambda folder: counted.append(keep_rows(folder / ROWS_FOLDER)))
    return files, counted[0]


def load_checkpoint(
    storage: Storage,
    uri: str,
    expected_digest: str,
    into: Path,
    wanted: Callable[[str], bool] = lambda _: True,
) -> CheckpointManifest:
    """Copies a checkpoint's files into a folder and verifies `COMMIT`, the manifest, and each file's size and SHA-256.

    Args:
        storage: where the files lie.
        uri: folder of the files.
        expected_digest: digest of the manifest.
        into: an existing, empty folder.
        wanted: says of a path whether its file is copied.

    Raises:
        RefusedError: it isn't there, isn't committed, or holds something else than was asked for.
    """
    folder = _folder_of(storage, uri)
    manifest, digest = _read_manifest(storage, folder)
    if digest != expected_digest:
        raise _mismatch(f"manifest.json must have the digest {expected_digest} that the Checkpoint names", digest)
    for entry in manifest.files:
        if not wanted(entry.path):
            continue
        target = into / entry.path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            storage.download(folder + entry.path, target)
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise _mismatch("manifest.json must not name a file and a folder alike", entry.path) from error
        except FileNotFoundError as error:
            raise _mismatch(f"must hold {entry.path}, which its manifest.json names", uri) from error
        with target.open("rb") as file:
            size, sha256 = target.stat().st_size, _sha256(file)
        if (size, sha256) != (entry.size_bytes, entry.sha256):
            raise _mismatch(
                f"{entry.path} must have {entry.size_bytes} bytes with SHA-256 {entry.sha256}, as manifest.json says",
                f"{size} bytes with SHA-256 {sha256}",
            )
    return manifest


def read_committed(storage: Storage, uri: str) -> Committed:
    """Reads what the checkpoint of an address says of itself.

    Raises:
        RefusedError: it isn't there, isn't committed, or its manifest isn't the one that was committed.
    """
    folder = _folder_of(storage, uri)
    manifest, digest = _read_manifest(storage, folder)
    return Committed(storage.uri(folder), digest, manifest)


def _folder_of(storage: Storage, uri: str) -> str:
    folder = storage.key_of(uri if uri.endswith("/") else uri + "/")
    if folder is None:
        raise RefusedError(
            TerminationReason.CHECKPOINT_NOT_FOUND,
            f"must lie in the storage of its Checkpoint, {storage.uri('')}",
            field_path=_FIELD,
            value=uri,
        )
    return folder


def newest_committed(storage: Storage, prefix: str) -> Committed | None:
    """Finds the first of `all_committed`; None where there is none."""
    return next(iter(all_committed(storage, prefix)), None)


def all_committed(
    storage: Storage, prefix: str, broken: Callable[[str, RefusedError], None] | None = None
) -> list[Committed]:
    """Finds the committed checkpoints below a key prefix, newest state first.

    States are ordered by finished steps, then by the updates done of the next; of equal ones the one committed last
    comes first. Folders whose `COMMIT` doesn't fit their manifest don't count.

    Args:
        storage: where they lie.
        prefix: with its trailing slash.
        broken: is told of each folder that doesn't count, and why; else the log is.

    Raises:
        RefusedError: the storage itself is refused.
    """
    found: list[tuple[State, datetime, Committed]] = []
    for item in storage.list(prefix):
        folder, _, name = item.key.rpartition("/")
        if name != COMMIT_FILE:
            continue
        uri = storage.uri(folder + "/")
        try:
            manifest, digest = _read_manifest(storage, folder + "/")
        except RefusedError as error:
            require_broken(error)
            if broken is None:
                _log.warning("%s: not a checkpoint (%s)", uri, error)
            else:
                broken(uri, error)
            continue
        committed = Committed(uri, digest, manifest)
        found.append((committed.state, item.modified, committed))
    return [committed for *_, committed in sorted(found, key=lambda entry: entry[:2], reverse=True)]


def require_broken(error: RefusedError) -> None:
    """Raises what isn't a checkpoint's own fault, such as a storage that refuses to be read."""
    if error.reason not in _BROKEN:
        raise error


def named_state(uri: str) -> State | None:
    """Reads the state from the name of a checkpoint's folder; None where it isn't named so."""
    found = re.search(r"/step-(\d{1,9})(?:-u(\d{1,9}))?-[^/]*/$", uri)
    return None if found is None else state_of(int(found[1]), None if found[2] is None else int(found[2]))


def _read_manifest(storage: Storage, folder: str) -> tuple[CheckpointManifest, str]:
    """Reads the manifest that a folder's `COMMIT` names; gives its digest too."""
    uri = storage.uri(folder)
    try:
        committed = storage.get(folder + COMMIT_FILE)
        commit = Commit.model_validate_json(committed)
        text = storage.get(folder + MANIFEST_FILE)
    except FileNotFoundError as error:
        raise RefusedError(
            TerminationReason.CHECKPOINT_NOT_FOUND,
            "must be a committed checkpoint: its folder holds COMMIT and manifest.json",
            field_path=_FIELD,
            value=uri,
        ) from error
    except ValidationError as error:
        got = committed[:_SHOWN_CHARACTERS].decode(errors="replace")
        raise _mismatch(f"COMMIT must hold the digest of manifest.json in {uri}", got) from error
    digest = digest_of(text)
    if digest != commit.manifest_digest:
        raise _mismatch(f"manifest.json must have the digest {commit.manifest_digest} that COMMIT names", digest)
    try:
        return CheckpointManifest.model_validate(json.loads(text), extra="forbid"), digest
    except (ValueError, RecursionError) as error:
        rule = f"its manifest.json must be one that this trainer understands ({str(error)[:_SHOWN_CHARACTERS]})"
        raise UnknownLayoutError(TerminationReason.DIGEST_MISMATCH, rule, field_path=_FIELD, value=uri) from error


def _mismatch(rule: str, got: str) -> RefusedError:
    return RefusedError(TerminationReason.DIGEST_MISMATCH, rule, field_path=_FIELD, value=got)


def _trainer_state(snapshot: Snapshot) -> SnapshotFile:
    """Copies the trainer's state into a file, to be read with `torch.load(..., weights_only=True)`."""
    import torch  # noqa: PLC0415 (whoever only reads checkpoints needs no torch)

    files = copy_files(lambda folder: torch.save(dict(snapshot.trainer_state), folder / TRAINER_STATE_FILE))
    return files[TRAINER_STATE_FILE]


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()

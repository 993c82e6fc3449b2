"""Saved models for tests: tiny random ones of every family, and adapters that are no longer at their beginning."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import torch

from tests.trainyard_trainer.families import model_of
from trainyard_api import names
from trainyard_api.checkpoint_manifest import canonical_json, digest_of
from trainyard_api.run_config import RunIdentity
from trainyard_trainer.checkpoints.files import Origin, write_checkpoint
from trainyard_trainer.models.char_tokenizer import char_tokenizer
from trainyard_trainer.models.export import model_files
from trainyard_trainer.models.load import LoadedModel
from trainyard_trainer.sinks import SavedCheckpoint, Snapshot, SnapshotFile
from trainyard_trainer.storage.storage import Storage
from trainyard_trainer.storage.storage_folder import FolderStorage

ALPHABET = "abcdefghij"
ROWS = torch.tensor([[3, 4, 5, 6, 7, 8, 9, 10], [10, 3, 9, 4, 8, 5, 7, 6]])
"""Token ids that every family knows."""


def save_family(family: str, folder: Path, seed: int = 0) -> Path:
    """A model of a family, with its tokenizer, as save_pretrained writes them."""
    model_of(family, seed).save_pretrained(folder)
    char_tokenizer(ALPHABET).save_pretrained(folder)
    return folder


class InMemory:
    """A snapshot's file in host memory; `closed` once it was discarded."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size_bytes = len(content)
        self.closed = False

    def open(self) -> BinaryIO:
        assert not self.closed
        return io.BytesIO(self._content)

    def close(self) -> None:
        self.closed = True


def in_memory(files: Mapping[str, bytes]) -> dict[str, InMemory]:
    """Files as a snapshot has them."""
    return {path: InMemory(content) for path, content in files.items()}


def contents(files: Mapping[str, SnapshotFile]) -> dict[str, bytes]:
    """All bytes of a snapshot's files."""
    found = {}
    for path, file in files.items():
        with file.open() as stream:
            found[path] = stream.read()
    return found


def model_bytes(loaded: LoadedModel, *, final: bool = True) -> dict[str, bytes]:
    """All bytes of a model's files."""
    return contents(model_files(loaded, final=final))


def write_files(files: Mapping[str, bytes], folder: Path) -> Path:
    """Files by their paths below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def save_checkpoint(output: Path, job: str, uid: str, step: int, updates: int | None = None) -> SavedCheckpoint:
    """A committed checkpoint of a run, with a file that is no model."""
    identity = RunIdentity(namespace="team-a", name=job, uid=uid, attempt=1)
    origin = Origin(identity, uid, names.run_prefix("", "team-a", job, uid), None)
    snapshot = Snapshot(step, step, in_memory({"model.safetensors": b"x"}), {}, {}, updates)
    return write_checkpoint(FolderStorage(output), origin, snapshot)


def change_file(storage: Storage, folder: str, name: str, content: bytes) -> None:
    """Another file in a checkpoint, whose manifest and COMMIT fit it: nothing but its content is odd."""
    manifest = json.loads(storage.get(folder + names.MANIFEST_FILE))
    (entry,) = [entry for entry in manifest["files"] if entry["path"] == name]
    entry |= {"sizeBytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    storage.put(folder + name, content)
    commit_manifest(storage, folder, canonical_json(manifest))


def commit_manifest(storage: Storage, folder: str, text: bytes) -> None:
    """Another manifest in a checkpoint, with a COMMIT that fits it."""
    storage.put(folder + names.MANIFEST_FILE, text)
    storage.put(folder + names.COMMIT_FILE, canonical_json({"manifestDigest": digest_of(text)}))


def logits(loaded: LoadedModel) -> torch.Tensor:
    """What a model says of `ROWS`."""
    with torch.no_grad():
        said: torch.Tensor = loaded.model(input_ids=ROWS, use_cache=False).logits
    return said


def train_a_little(loaded: LoadedModel, steps: int = 2) -> None:
    """Optimizer steps on what requires gradients."""
    optimizer = torch.optim.AdamW([one for one in loaded.model.parameters() if one.requires_grad], lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        loaded.model(input_ids=ROWS, labels=ROWS, use_cache=False).loss.backward()
        optimizer.step()

"""A checkpoint holds the state at the time of its snapshot, whatever is trained while it is written."""

from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch

from tests.trainyard_trainer import policies
from tests.trainyard_trainer.saved_models import ALPHABET, contents, save_family
from tests.waiting import GUARD_SECONDS
from trainyard_api.algorithm import LoRA
from trainyard_api.run_config import RunIdentity
from trainyard_trainer.algorithms.sft import SFT_LOSS
from trainyard_trainer.checkpoints.files import TRAINER_STATE_FILE, Origin, load_checkpoint
from trainyard_trainer.checkpoints.writer import CheckpointWriter
from trainyard_trainer.models import lora
from trainyard_trainer.models.load import LoadedModel, load_folder
from trainyard_trainer.storage.storage_folder import FolderStorage

ORIGIN = Origin(RunIdentity(namespace="n", name="j", uid="u-1", attempt=1), "pod-uid-1", "n/j/u-1/", None)


class BlockedMidway(FolderStorage):
    """Stops in the middle of each upload of weights, until it may go on."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.midway, self.go_on = threading.Event(), threading.Event()

    def put(self, key: str, content: bytes | BinaryIO) -> None:
        """Read half, wait, read the rest."""
        if not key.endswith(".safetensors") or isinstance(content, bytes):
            super().put(key, content)
            return
        half = content.read(content.seek(0, io.SEEK_END) // 2 - content.seek(0))
        self.midway.set()
        assert self.go_on.wait(GUARD_SECONDS)
        super().put(key, half + content.read())


def adapted(tmp_path: Path) -> LoadedModel:
    """A model that is trained by an adapter."""
    return lora.apply(load_folder(save_family("qwen3", tmp_path / "base")), LoRA(rank=4, alpha=8), 0)


@pytest.mark.parametrize("kind", ["all weights", "adapter", "merged adapter"])
def test_training_on_while_a_snapshot_is_written_changes_nothing_of_it(tmp_path: Path, kind: str) -> None:
    """Weights, optimizer and counters, by the digests that the manifest commits and that a reader verifies."""
    chosen = policies.policy(model=None if kind == "all weights" else adapted(tmp_path))
    rows = [policies.row(number, min(tokens, len(ALPHABET) - 1)) for number, tokens in enumerate((3, 7, 2))]
    final = kind == "merged adapter"
    chosen.update(rows, SFT_LOSS)
    expected = {path: hashlib.sha256(content).hexdigest() for path, content in files_of(chosen, final).items()}
    state = chosen.state()

    storage = BlockedMidway(tmp_path / "bucket")
    writer = CheckpointWriter(storage, ORIGIN, lambda _: None, lambda _: None)
    writer.save(chosen.snapshot(1, {}, final=final))
    assert storage.midway.wait(GUARD_SECONDS)
    for _ in range(3):
        chosen.update(rows, SFT_LOSS)
    storage.go_on.set()
    saved = writer.finish()

    assert saved is not None
    (tmp_path / "into").mkdir()
    manifest = load_checkpoint(storage, saved.uri, saved.digest, tmp_path / "into")
    committed = {entry.path: entry.sha256 for entry in manifest.files}
    del committed[TRAINER_STATE_FILE]
    assert committed == expected
    weights = next(path for path in expected if path.endswith(".safetensors"))
    assert hashlib.sha256(files_of(chosen, final)[weights]).hexdigest() != expected[weights]
    written = torch.load(tmp_path / "into" / TRAINER_STATE_FILE, weights_only=True)
    assert written["policy_version"] == state["policy_version"] == 1
    assert_same(written["optimizer"], state["optimizer"])


def files_of(chosen: Any, final: bool) -> dict[str, bytes]:
    """All bytes of a policy's files as they are now."""
    return contents(chosen.snapshot(1, {}, final=final).files)


def assert_same(one: Any, other: Any) -> None:
    """The same numbers, bit for bit."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    else:
        assert one == other

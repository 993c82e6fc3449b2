"""First weights from a bucket: everything below the prefix, and only a folder that save_pretrained wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.model_files import download_folder
from trainyard_trainer.storage.storage_folder import FolderStorage

MODEL = {"config.json": b"{}", "model.safetensors": b"weights", "tokenizer/vocab.json": b"[]"}


@pytest.fixture
def storage(tmp_path: Path) -> FolderStorage:
    """A model below `models/llama`, and something beside it."""
    storage = FolderStorage(tmp_path / "bucket")
    for name, content in MODEL.items():
        storage.put(f"models/llama/{name}", content)
    storage.put("models/llama-2/config.json", b"{}")
    return storage


def test_the_folder_below_the_prefix_is_copied(storage: FolderStorage, tmp_path: Path) -> None:
    """All of it, and nothing of a neighbour whose name begins alike."""
    into = tmp_path / "into"
    into.mkdir()
    assert download_folder(storage, "models/llama", into) == sum(map(len, MODEL.values()))
    copied = {path.relative_to(into).as_posix(): path.read_bytes() for path in into.rglob("*") if path.is_file()}
    assert copied == MODEL


@pytest.mark.parametrize("prefix", ["nowhere", "models/llama-2", "models"])
def test_no_model_there_is_the_users_mistake(storage: FolderStorage, tmp_path: Path, prefix: str) -> None:
    """Nothing, no weights, or the folder above: the field and the prefix stand in the message."""
    with pytest.raises(RefusedError, match="save_pretrained") as refused:
        download_folder(storage, prefix, tmp_path)
    assert refused.value.reason == TerminationReason.MODEL_NOT_FOUND
    assert (refused.value.field_path, refused.value.value) == ("spec.model.s3.prefix", prefix)

"""First weights from a bucket: everything below the prefix, and only a folder that save_pretrained wrote."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.bucket import download_folder
from trainyard_trainer.storage.storage import StoredObject
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


@pytest.mark.usefixtures("storage")
def test_folders_own_keys_are_passed_over(tmp_path: Path) -> None:
    """Consoles of object stores make empty objects named as the prefix and as folders below it; they are no files."""

    class WithKeysOfFolders(FolderStorage):
        def list(self, prefix: str) -> Iterator[StoredObject]:
            for key in ("models/llama/", "models/llama/tokenizer/"):
                yield StoredObject(key, 0, datetime.now(UTC))
            yield from super().list(prefix)

    into = tmp_path / "into"
    into.mkdir()
    size = download_folder(WithKeysOfFolders(tmp_path / "bucket"), "models/llama", into)
    assert size == sum(map(len, MODEL.values()))
    assert sum(path.is_file() for path in into.rglob("*")) == len(MODEL)


@pytest.mark.parametrize("prefix", ["nowhere", "models/llama-2", "models"])
def test_no_model_there_is_the_users_mistake(storage: FolderStorage, tmp_path: Path, prefix: str) -> None:
    """Nothing, no weights, or the folder above: the field and the prefix stand in the message."""
    with pytest.raises(RefusedError, match="save_pretrained") as refused:
        download_folder(storage, prefix, tmp_path)
    assert refused.value.reason == TerminationReason.MODEL_NOT_FOUND
    assert (refused.value.field_path, refused.value.value) == ("spec.model.s3.prefix", prefix)

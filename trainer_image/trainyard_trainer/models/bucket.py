"""Copies first weights from a bucket, in the form that transformers' `save_pretrained` writes.

Place in the data's way: station 4. Only copies; whether the files make a model is the policy's to find out.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.storage.storage import Storage

_FIELD = "spec.model.s3.prefix"


def download_folder(storage: Storage, prefix: str, into: Path) -> int:
    """Copies every file below a key prefix into a folder.

    Args:
        storage: where the files lie.
        prefix: without leading or trailing slash; empty for the storage's root.
        into: an existing, empty folder.

    Returns: bytes copied.

    Raises:
        RefusedError: there is no saved model below the prefix, or a key isn't a path below it.
    """
    root = f"{prefix}/" if prefix else ""
    names = set()
    size = 0
    for found in storage.list(root):
        name = found.key.removeprefix(root)
        if not name or name.endswith("/"):
            continue  # a folder's own key, the prefix's too, which some tools make
        if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
            raise RefusedError(
                TerminationReason.MODEL_UNSUITABLE,
                "every key below the prefix must be a plain path, for it becomes a file's",
                field_path=_FIELD,
                value=found.key,
            )
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        storage.download(found.key, target)
        names.add(name)
        size += found.size_bytes
    if "config.json" not in names or not any(name.endswith(".safetensors") for name in names):
        raise RefusedError(
            TerminationReason.MODEL_NOT_FOUND,
            f"must hold config.json and *.safetensors, as save_pretrained writes them, at {storage.uri(root)}",
            field_path=_FIELD,
            value=prefix,
        )
    return size

"""Brings the base of a model that is saved as an adapter alone, and puts the two together.

Place in the data's way: station 4. Checkpoints on the way of a run that trains an adapter are so saved; its last one
holds the merged model. Only what the checkpoint's own secret, or none, opens is read.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from trainyard_api.algorithm import LoRA
from trainyard_api.model_source import S3Location
from trainyard_api.run_config import PinnedCheckpoint, RunModel, RunStorage
from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.files import load_checkpoint
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models import lora
from trainyard_trainer.models.adapter_base import ADAPTER_FOLDER, BASE_FOLDER
from trainyard_trainer.models.bucket import download_folder
from trainyard_trainer.models.export import CONFIG_FILE, read_base, take_adapter
from trainyard_trainer.models.hub import download_from_hub
from trainyard_trainer.models.load import LoadedModel, has_weights, load_folder
from trainyard_trainer.storage.storage_open import open_bucket, open_storage
from trainyard_trainer.storage.storage_s3 import Credentials, Fields

_log = logging.getLogger(__name__)


def is_adapter_alone(folder: Path) -> bool:
    """Tells whether a folder holds an adapter, but no weights for it to be put on."""
    return (folder / ADAPTER_FOLDER).is_dir() and not has_weights(folder)


def fetch_base(folder: Path, checkpoint: PinnedCheckpoint, credentials: Credentials | None, field_path: str) -> None:
    """Copies the base of the adapter in a checkpoint's folder beside it, unless it lies in this container.

    Args:
        folder: where the checkpoint's files are.
        checkpoint: where they came from; the base must lie in the same bucket or folder, or be public.
        credentials: of that bucket.
        field_path: the manifest's field that named the checkpoint.

    Raises:
        RefusedError: MODEL_NOT_FOUND where it can't be read from here.
    """
    base = read_base(folder, field_path).model
    into = folder / BASE_FOLDER
    into.mkdir(exist_ok=True)
    fields = Fields(field_path, field_path)
    if base is not None and base.s3 is not None and _same_bucket(base.s3, checkpoint.storage):
        download_folder(open_bucket(base.s3, credentials, fields), base.s3.prefix, into)
    elif (
        base is not None and base.checkpoint is not None and _same_storage(base.checkpoint.storage, checkpoint.storage)
    ):
        storage = open_storage(base.checkpoint.storage, credentials, fields)
        load_checkpoint(storage, base.checkpoint.uri, base.checkpoint.digest, into)
    elif base is not None and base.hugging_face is not None and base.hugging_face.secret_ref is None:
        download_from_hub(base.hugging_face, "", into)
    elif base is not None and base.path is not None:
        into.rmdir()
    else:
        raise RefusedError(
            TerminationReason.MODEL_NOT_FOUND,
            f"is an adapter, whose base ({_described(base)}) can't be read with what this job is given; name the final "
            "checkpoint of its job, which holds the merged model",
            field_path=field_path,
            value=checkpoint.uri,
        )
    _log.info("model: base of the adapter is %s", _described(base))


def load_saved(folder: Path, *, field_path: str, value: str | None = None) -> LoadedModel:
    """Loads the model in a folder, whole or as an adapter with its base; such an adapter isn't merged.

    Raises:
        RefusedError: as `load_folder`; DIGEST_MISMATCH where the base has changed since the adapter was trained.
    """
    if not is_adapter_alone(folder):
        return load_folder(folder, field_path=field_path, value=value)
    source = read_base(folder, field_path).model
    at = folder / BASE_FOLDER
    if not at.is_dir() and source is not None and source.path is not None:
        at = Path(source.path)
    if not at.is_dir():
        raise RefusedError(
            TerminationReason.MODEL_NOT_FOUND,
            f"holds an adapter, whose base ({_described(source)}) isn't here",
            field_path=field_path,
            value=value or str(folder),
        )
    base = load_folder(at, field_path=field_path, value=value)
    return take_adapter(lora.apply(base, _settings(folder, field_path), 0, source), folder, field_path=field_path)


def _settings(folder: Path, field_path: str) -> LoRA:
    """Reads rank, scale and layers of the adapter in a folder from peft's file."""
    try:
        fields = json.loads((folder / ADAPTER_FOLDER / CONFIG_FILE).read_bytes())
        return LoRA(rank=fields["r"], alpha=fields["lora_alpha"], target_modules=fields["target_modules"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RefusedError(
            TerminationReason.MODEL_UNSUITABLE,
            f"must hold {ADAPTER_FOLDER}/{CONFIG_FILE}, as this trainer writes it",
            field_path=field_path,
            value=str(folder),
        ) from error


def _same_bucket(one: S3Location, held: RunStorage) -> bool:
    return held.s3 is not None and (one.bucket, one.endpoint) == (held.s3.bucket, held.s3.endpoint)


def _same_storage(one: RunStorage, held: RunStorage) -> bool:
    return one.folder == held.folder if one.s3 is None else _same_bucket(one.s3, held)


def _described(base: RunModel | None) -> str:
    """Says where a base lies."""
    if base is None:
        return "unknown"
    if base.hugging_face is not None:
        return f"{base.hugging_face.repository} at {base.hugging_face.revision}"
    if base.s3 is not None:
        return f"s3://{base.s3.bucket}/{base.s3.prefix}"
    if base.checkpoint is not None:
        return base.checkpoint.uri
    return base.path or "random weights"

"""Brings a run's first weights to this machine, and makes them ready to be trained.

Place in the data's way: station 4, before any work. Digests are verified as the files come; what doesn't make a model
of the kind that the run config asks for is refused.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from trainyard_api.algorithm import Algorithm
from trainyard_api.run_config import PinnedCheckpoint, RunModel
from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.files import load_checkpoint
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models import lora
from trainyard_trainer.models.base_model import fetch_base, is_adapter_alone, load_saved
from trainyard_trainer.models.bucket import download_folder
from trainyard_trainer.models.hub import download_from_hub
from trainyard_trainer.models.load import LoadedModel, infinite_weight, scratch
from trainyard_trainer.storage.storage_open import open_bucket, open_storage
from trainyard_trainer.storage.storage_s3 import Credentials, Fields

_log = logging.getLogger(__name__)


def fetch_model(model: RunModel, credentials: Credentials | None, cache: Path, hub_token: str = "") -> Path | None:
    """Copies the first weights to a local folder; None where the run makes them or reads them where they lie.

    Args:
        model: where they come from.
        credentials: of the bucket they lie in, where they lie in one.
        cache: a folder to copy them below.
        hub_token: of the Hub they lie on; empty for none.

    Raises:
        RefusedError: they aren't there, or not what was pinned.
    """
    if model.path is not None and not Path(model.path).is_dir():
        raise RefusedError(
            TerminationReason.MODEL_NOT_FOUND,
            "must be a folder in the trainer's container",
            field_path="spec.model.path",
            value=model.path,
        )
    if model.checkpoint is None and model.s3 is None and model.hugging_face is None:
        return None
    folder = cache / "model"
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    if model.checkpoint is not None:
        size = _fetch_checkpoint(model.checkpoint, credentials, folder)
    elif model.s3 is not None:
        bucket = open_bucket(model.s3, credentials, Fields.below("spec.model.s3"))
        bucket.check(write=False)
        size = download_folder(bucket, model.s3.prefix, folder)
        _log.info("model: files from %s", bucket.uri(model.s3.prefix))
    elif model.hugging_face is not None:
        size = download_from_hub(model.hugging_face, hub_token, folder)
    _log.info("model: %d bytes in %.2f s", size, time.monotonic() - began)
    return folder


def load_first(model: RunModel, algorithm: Algorithm, folder: Path | None, alphabet: str) -> LoadedModel:
    """Loads the model that a run begins with, ready to be trained: all of its weights, or an adapter.

    An adapter that the files hold goes on being trained where the run trains one, else it is merged.

    Args:
        model: where it comes from.
        algorithm: how it is trained.
        folder: what `fetch_model` returned.
        alphabet: the characters of a scratch model.

    Raises:
        RefusedError: the files don't hold such a model, or the adapter that is asked for doesn't fit it.
    """
    loaded = _load(model, algorithm.seed, folder, alphabet)
    weight = None if loaded.adapter is None else infinite_weight(loaded.model)
    if weight is not None:
        raise RefusedError(
            TerminationReason.MODEL_UNSUITABLE,
            f"must hold finite weights; {weight} holds infinity, or what is no number",
            field_path="spec.model",
            value=type(loaded.model).__name__,
        )
    if algorithm.lora is not None:
        return lora.apply(loaded, algorithm.lora, algorithm.seed, model)
    return loaded if loaded.adapter is None else lora.merge(loaded)


def _load(model: RunModel, seed: int, folder: Path | None, alphabet: str) -> LoadedModel:
    if model.scratch is not None:
        return scratch(model.scratch, alphabet, seed)
    if model.path is not None:
        return load_saved(Path(model.path), field_path="spec.model.path", value=model.path)
    if folder is None:
        raise ValueError("a model that is copied to this machine needs its local folder")
    if model.checkpoint is not None:
        return load_saved(folder, field_path="spec.model.checkpoint", value=model.checkpoint.uri)
    if model.hugging_face is not None:
        field_path = "spec.model.huggingFace.repository"
        return load_saved(folder, field_path=field_path, value=model.hugging_face.repository)
    if model.s3 is None:
        raise ValueError("a model has exactly one source")
    return load_saved(folder, field_path="spec.model.s3", value=f"s3://{model.s3.bucket}/{model.s3.prefix}")


def _fetch_checkpoint(pinned: PinnedCheckpoint, credentials: Credentials | None, folder: Path) -> int:
    # Its storage stands in the Checkpoint object; the manifest's own field is the reference to that.
    field_path = "spec.model.checkpoint"
    storage = open_storage(pinned.storage, credentials, Fields(field_path, field_path))
    storage.check(write=False)
    manifest = load_checkpoint(storage, pinned.uri, pinned.digest, folder)
    _log.info("model: checkpoint of step %d from %s, digests verified", manifest.step, pinned.uri)
    if is_adapter_alone(folder):
        fetch_base(folder, pinned, credentials, field_path)
    return manifest.size_bytes

"""Bringing a run's first weights to this machine.

Place in the data's way: station 4, before any work. Digests are verified as the files come; whether they make a
model is the policy's to find out.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from trainyard_api.run_config import RunModel
from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.checkpoint import load_checkpoint
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.model_files import download_folder
from trainyard_trainer.storage.storage_open import open_bucket, open_storage
from trainyard_trainer.storage.storage_s3 import Credentials, Fields

_log = logging.getLogger(__name__)


def fetch_model(model: RunModel, credentials: Credentials | None, cache: Path) -> Path | None:
    """The local folder of the first weights; None where the run makes them or reads them where they lie.

    Args:
        model: where they come from.
        credentials: of the bucket they lie in, where they lie in one.
        cache: a folder to copy them below.

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
    if model.checkpoint is None and model.s3 is None:
        return None
    folder = cache / "model"
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    if model.checkpoint is not None:
        pinned = model.checkpoint
        # Its storage stands in the Checkpoint object; the manifest's own field is the reference to that.
        fields = Fields("spec.model.checkpoint", "spec.model.checkpoint")
        storage = open_storage(pinned.storage, credentials, fields)
        storage.check(write=False)
        manifest = load_checkpoint(storage, pinned.uri, pinned.digest, folder)
        _log.info("model: checkpoint of step %d from %s, digests verified", manifest.step, pinned.uri)
        size = manifest.size_bytes
    elif model.s3 is not None:
        bucket = open_bucket(model.s3, credentials, Fields.below("spec.model.s3"))
        bucket.check(write=False)
        size = download_folder(bucket, model.s3.prefix, folder)
        _log.info("model: files from %s", bucket.uri(model.s3.prefix))
    _log.info("model: %d bytes in %.2f s", size, time.monotonic() - began)
    return folder

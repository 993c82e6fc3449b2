"""Opens the storage that a run config means.

Place in the data's way: station 4. Nothing is contacted here.
"""

from __future__ import annotations

from pathlib import Path

from trainyard_api.model_source import S3Location
from trainyard_api.run_config import RunStorage
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.storage.storage import Storage
from trainyard_trainer.storage.storage_folder import FolderStorage
from trainyard_trainer.storage.storage_s3 import Credentials, Fields, S3Storage


def open_storage(where: RunStorage, credentials: Credentials | None, fields: Fields) -> Storage:
    """Opens the storage that a run config names.

    Raises:
        RefusedError: it is a bucket, and there are no credentials.
    """
    if where.folder is not None:
        return FolderStorage(Path(where.folder.directory))
    if where.s3 is not None:
        return open_bucket(where.s3, credentials, fields)
    raise ValueError("a storage has exactly one member")


def open_bucket(location: S3Location, credentials: Credentials | None, fields: Fields) -> S3Storage:
    """Opens the bucket of an S3 location.

    Raises:
        RefusedError: there are no credentials.
    """
    if credentials is None:
        raise RefusedError(
            TerminationReason.STORAGE_UNAVAILABLE,
            "the Secret must hold the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which are signed with",
            field_path=fields.secret,
            value=location.secret_ref.name,
        )
    return S3Storage(location, credentials, fields)

"""The storage that a run config means."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainyard_api.model_source import S3Location, SecretReference
from trainyard_api.run_config import Folder, RunStorage
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.storage.storage_folder import FolderStorage
from trainyard_trainer.storage.storage_open import open_storage
from trainyard_trainer.storage.storage_s3 import Credentials, Fields, S3Storage

FIELDS = Fields.below("spec.checkpoints.storage.s3")
BUCKET = RunStorage(s3=S3Location(bucket="bucket", secret_ref=SecretReference(name="trainyard-s3")))


def test_a_folder_needs_no_credentials(tmp_path: Path) -> None:
    """As a run without a cluster has none."""
    storage = open_storage(RunStorage(folder=Folder(directory=str(tmp_path))), None, FIELDS)
    assert isinstance(storage, FolderStorage)
    assert storage.uri("a/") == f"file://{tmp_path}/a/"


def test_a_bucket_is_opened_with_the_pods_credentials() -> None:
    """Nothing is contacted yet."""
    storage = open_storage(BUCKET, Credentials("a", "s"), FIELDS)
    assert isinstance(storage, S3Storage)
    storage.close()


def test_a_bucket_without_credentials_names_the_secret() -> None:
    """A Secret with an empty key is the user's mistake."""
    with pytest.raises(
        RefusedError, match=r"storage\.s3\.secretRef\.name: .*AWS_SECRET_ACCESS_KEY.* got 'trainyard-s3'"
    ):
        open_storage(BUCKET, None, FIELDS)

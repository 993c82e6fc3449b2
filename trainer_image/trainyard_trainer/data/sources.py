"""The bytes of a run's data files: of a mounted ConfigMap, of a bucket, or of a path.

Place in the data's way: station 4, before any work; the one part of `data` that touches the outside. What the bytes
mean is `jsonl`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trainyard_api import names
from trainyard_api.model_source import S3Location
from trainyard_api.task import FileSource, TaskData
from trainyard_api.termination import TerminationReason
from trainyard_trainer.data.jsonl import QuestionFile, read_questions
from trainyard_trainer.data.question_sources import DATA_FIELD
from trainyard_trainer.data.splits import Split
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.storage.storage_open import open_bucket
from trainyard_trainer.storage.storage_s3 import Credentials, Fields


def mounted(split: str, key: str) -> Path:
    """Returns the path at which a pod has a ConfigMap's key for a set."""
    return Path(names.DATA_DIRECTORY) / split / key


@dataclass(frozen=True, slots=True)
class DataAccess:
    """Says how this machine reaches data files.

    Attributes:
        config_map: from a set's name and a key of its ConfigMap to the file.
        credentials: of the sets that lie in buckets, by the set's name.
    """

    config_map: Callable[[str, str], Path] = mounted
    credentials: Mapping[str, Credentials] = field(default_factory=dict)


def fetch_data(data: TaskData | None, access: DataAccess) -> dict[Split, QuestionFile]:
    """Reads and parses every file that a manifest names; empty where the task draws its own questions.

    Raises:
        RefusedError: INVALID_DATA, a file isn't there or breaks a rule; STORAGE_UNAVAILABLE, its bucket is refused.
    """
    sources = {split: getattr(data, split.value) for split in Split} if data is not None else {}
    return {split: _fetch(split, source, access) for split, source in sources.items() if source is not None}


def _fetch(split: Split, source: FileSource, access: DataAccess) -> QuestionFile:
    field_path = f"{DATA_FIELD}.{split}"
    if source.s3 is not None:
        content, name = _from_bucket(source.s3, f"{field_path}.s3", access.credentials.get(split)), source.s3.prefix
    elif source.config_map is not None:
        key = source.config_map.key
        content, name = _from_path(access.config_map(split, key), f"{field_path}.configMap.key", key), key
    else:
        path = str(source.path)
        content, name = _from_path(Path(path), f"{field_path}.path", path), path
    return read_questions(content, source=name, field_path=field_path)


def _from_bucket(location: S3Location, field_path: str, credentials: Credentials | None) -> bytes:
    if not location.prefix:
        raise _refused("must be the key of a file in the bucket", f"{field_path}.prefix", "")
    bucket = open_bucket(location, credentials, Fields.below(field_path))
    try:
        return bucket.get(location.prefix)
    except FileNotFoundError as error:
        where = f"must be the key of a file in bucket {location.bucket}; there is none"
        raise _refused(where, f"{field_path}.prefix", location.prefix) from error
    finally:
        bucket.close()


def _from_path(path: Path, field_path: str, value: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        rule = f"must be a file that the trainer can read, at {path} ({error.strerror})"
        raise _refused(rule, field_path, value) from error


def _refused(rule: str, field_path: str, value: str) -> RefusedError:
    return RefusedError(TerminationReason.INVALID_DATA, rule, field_path=field_path, value=value)

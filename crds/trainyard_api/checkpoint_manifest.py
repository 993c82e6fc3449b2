"""The files of a checkpoint, their digests, and the marker that commits them.

Place in the data's way: station 9. A folder is a checkpoint only if it holds `COMMIT`, which is written last and holds
the digest of `manifest.json`, which lists every other file with its size and SHA-256. Pure.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from pydantic import Field

from trainyard_api.fields import ApiModel, Digest

FileDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RelativePath = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$", max_length=256)
]


class FileEntry(ApiModel):
    """One file of a checkpoint."""

    path: RelativePath
    """Path below the checkpoint's folder."""
    size_bytes: Annotated[int, Field(ge=0)]
    """Length in bytes."""
    sha256: FileDigest
    """Hex SHA-256 of the content."""


class CheckpointManifest(ApiModel):
    """What `manifest.json` holds."""

    version: Annotated[int, Field(ge=1, le=1)] = 1
    """Version of this format."""
    namespace: str
    """Namespace of the run."""
    training_job: str
    """Name of the TrainingJob."""
    run_uid: str
    """uid of the TrainingJob."""
    attempt: Annotated[int, Field(ge=1)]
    """Attempt that wrote it."""
    step: Annotated[int, Field(ge=0)]
    """Finished steps."""
    updates: Annotated[int, Field(ge=0)] | None = None
    """Updates done of the step after those, 0 once its rollouts are scored; absent where it was taken between steps."""
    adapter_base: str | None = None
    """Digest of the base model's weights where `adapter/` holds a low-rank adapter."""
    tags: dict[str, str] = {}
    """Words that the manifest of the run gave it."""
    parent_uri: str | None = None
    """Folder of the checkpoint that the run started from."""
    metrics: dict[str, str] = {}
    """Measurements of the step, as decimal strings."""
    unwritten_rows: Annotated[int, Field(ge=0)] | None = None
    """Rows of the ledger that the files below `rows/` hold, for the database was away when it was committed; absent
    where the database had all of them and named this attempt."""
    files: Annotated[list[FileEntry], Field(min_length=1, max_length=10_000)]
    """Every file of the folder but manifest.json and COMMIT."""

    @property
    def size_bytes(self) -> int:
        """Adds up the bytes of all files."""
        return sum(entry.size_bytes for entry in self.files)


class Commit(ApiModel):
    """What `COMMIT` holds."""

    manifest_digest: Digest
    """Digest of manifest.json."""


def digest_of(content: bytes) -> str:
    """Returns the digest that names a manifest: `sha256:` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def canonical_json(value: dict[str, Any]) -> bytes:
    """Writes JSON with sorted keys and no blanks, so that equal values have equal digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

"""Claims about the files of a checkpoint."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from pydantic import ValidationError

from trainyard_api.checkpoint_manifest import CheckpointManifest, Commit, canonical_json, digest_of


def manifest(path: str = "model.safetensors", **changes: Any) -> dict[str, Any]:
    """A legal manifest of one file."""
    entry = {"path": path, "sizeBytes": 3, "sha256": "0" * 64}
    identity = {"namespace": "team-a", "trainingJob": "job", "runUid": "uid", "attempt": 1, "step": 5}
    return identity | {"files": [entry]} | changes


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "a/../b", "a//b", ".hidden", "a/", "", "a\nb", "a/.ssh", "C:\\x", "x" * 257]
)
def test_path_cannot_leave_the_folder(path: str) -> None:
    """A path that would lead out of the checkpoint's folder, or hide in it, is refused."""
    with pytest.raises(ValidationError, match="path"):
        CheckpointManifest.model_validate(manifest(path))


@pytest.mark.parametrize("path", ["model.safetensors", "trainer/state.json", "adapter/a-b_c.1.bin"])
def test_plain_path_is_taken(path: str) -> None:
    """Files in the folder and below it can be listed."""
    assert CheckpointManifest.model_validate(manifest(path)).files[0].path == path


def test_other_version_is_refused() -> None:
    """A manifest of a later format isn't read as if it were of this one."""
    with pytest.raises(ValidationError, match="version"):
        CheckpointManifest.model_validate(manifest(version=2))


def test_size_is_the_sum_of_files() -> None:
    """The size of a checkpoint is that of all its files."""
    entries = [{"path": name, "sizeBytes": 3, "sha256": "0" * 64} for name in ("a", "b")]
    assert CheckpointManifest.model_validate(manifest(files=entries)).size_bytes == 6


def test_equal_values_have_equal_digests() -> None:
    """The order in which a manifest was put together doesn't change its digest."""
    one = digest_of(canonical_json({"a": 1, "b": [1, 2]}))
    assert one == digest_of(canonical_json({"b": [1, 2], "a": 1}))
    assert one == "sha256:" + hashlib.sha256(b'{"a":1,"b":[1,2]}').hexdigest()
    assert Commit(manifest_digest=one).to_wire() == {"manifestDigest": one}

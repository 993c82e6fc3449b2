"""Images that are made for the node's runtime."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

from hack.cluster import runtime


def test_an_image_archive_holds_the_program_and_its_digest(tmp_path):
    """The pause image is one executable layer whose digest the configuration names, or containerd refuses it."""
    program = tmp_path / "pause"
    program.write_bytes(b"program")
    with tarfile.open(fileobj=io.BytesIO(runtime.image_archive("here/pause:1", program))) as archive:
        content = {name: archive.extractfile(name).read() for name in archive.getnames()}
    manifest = json.loads(content["manifest.json"])[0]
    assert manifest["RepoTags"] == ["here/pause:1"]
    layer = content[manifest["Layers"][0]]
    with tarfile.open(fileobj=io.BytesIO(layer)) as files:
        assert files.getmember("pause").mode == 0o755
        assert files.extractfile("pause").read() == b"program"
    config = json.loads(content[manifest["Config"]])
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]

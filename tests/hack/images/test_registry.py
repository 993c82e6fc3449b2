"""Old images leave the registry and current ones stay, on a real registry."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster import binaries
from hack.images import registry
from tests.waiting import GUARD_SECONDS, until

pytestmark = pytest.mark.integration
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def _request(method: str, url: str, data: bytes = b"", kind: str = "application/octet-stream") -> str:
    request = urllib.request.Request(url, method=method, data=data, headers={"Content-Type": kind})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=GUARD_SECONDS) as reply:
        return reply.headers.get("Location") or ""


def _push(host: str, name: str, tag: str, content: str) -> None:
    """An image whose configuration is some text; it has no layers."""
    config = json.dumps({"text": content}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    place = _request("POST", f"http://{host}/v2/trainyard/{name}/blobs/uploads/")
    _request("PUT", f"{place}&digest={digest}", config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)},
        "layers": [],
    }
    _request("PUT", f"http://{host}/v2/trainyard/{name}/manifests/{tag}", json.dumps(manifest).encode(), _MANIFEST)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    """A registry on loopback that may delete, as the test cluster's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    storage = {"filesystem": {"rootdirectory": str(tmp_path / "data")}, "delete": {"enabled": True}}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"version": "0.1", "storage": storage, "http": {"addr": address}}))
    program = str(binaries.ensure(["registry"]) / "registry")
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)

    def answers() -> bool:
        try:
            _request("GET", f"http://{address}/v2/")
        except OSError:
            return False
        return True

    until(answers, (tmp_path / "log").read_text)
    yield address
    process.terminate()
    process.wait(timeout=GUARD_SECONDS)


def test_forget_keeps_the_current_image_alone(host: str) -> None:
    """Every other tag goes, also one whose content equals the current one's, which must survive."""
    _push(host, "operator", "a-1", "old")
    _push(host, "operator", "a-2", "current")
    _push(host, "operator", "a-3", "current")
    _push(host, "trainer", "b-1", "other")
    assert registry.repositories(host) == {"operator", "trainer"}
    assert sorted(registry.forget(host, "operator", "a-2")) == ["a-1", "a-3"]
    assert registry.digest(host, "operator", "a-1") == ""
    assert registry.digest(host, "operator", "a-2").startswith("sha256:")
    assert registry.digest(host, "trainer", "b-1").startswith("sha256:")


def test_absence_is_no_error(host: str) -> None:
    """An image that was never pushed has no digest and no tags; nor has a registry that doesn't answer."""
    assert registry.digest(host, "operator", "a-1") == ""
    assert registry.tags(host, "operator") == []
    assert registry.forget(host, "operator", "a-1") == []
    assert registry.digest("127.0.0.1:1", "operator", "a-1") == ""

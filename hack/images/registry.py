"""The registry's side of an image: is it there, and which old ones to delete. The pushing is the engine's.

Only a registry on loopback, the test cluster's own, is ever cleaned.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, cast

from hack.cluster import layout
from hack.images.commands import answer
from hack.images.specs import REPOSITORY

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from hack.cluster.state import ClusterState

_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


def digest(registry: str, name: str, tag: str) -> str:
    """Asks for the digest of an image's manifest; empty where the registry doesn't have it or doesn't answer."""
    try:
        reply = _ask("HEAD", registry, f"{REPOSITORY}/{name}/manifests/{tag}")
    except urllib.error.URLError:
        return ""
    return reply.headers.get("Docker-Content-Digest") or ""


def repositories(registry: str) -> set[str]:
    """Lists the names of every image of ours in the registry."""
    found = json.load(_ask("GET", registry, "_catalog?n=1000")).get("repositories") or []
    return {name.removeprefix(f"{REPOSITORY}/") for name in found if name.startswith(f"{REPOSITORY}/")}


def tags(registry: str, name: str) -> list[str]:
    """Lists the tags of one image."""
    try:
        return json.load(_ask("GET", registry, f"{REPOSITORY}/{name}/tags/list")).get("tags") or []
    except urllib.error.HTTPError:
        return []  # no such image


def forget(registry: str, name: str, keep: str) -> list[str]:
    """Deletes every other tag of an image; returns them. Their layers stay until they are collected."""
    kept = digest(registry, name, keep) if keep else ""
    stale = [tag for tag in tags(registry, name) if tag != keep]
    for tag in stale:
        found = digest(registry, name, tag)
        if found and found != kept:
            _ask("DELETE", registry, f"{REPOSITORY}/{name}/manifests/{found}")
    return stale


def collect_garbage(cluster: ClusterState) -> None:
    """Deletes the layers that no image needs any more.

    Raises:
        ImageError: the registry's program failed.
    """
    config = layout.cluster() / "registry" / "config.json"
    answer([str(cluster.bin / "registry"), "garbage-collect", "--delete-untagged", str(config)])


def _ask(method: str, registry: str, path: str) -> HTTPResponse:
    request = urllib.request.Request(f"http://{registry}/v2/{path}", method=method, headers={"Accept": _MANIFESTS})
    # No proxy stands between this machine and its own loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return cast("HTTPResponse", opener.open(request, timeout=10))

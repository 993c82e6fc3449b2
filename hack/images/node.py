"""The node's copy of an image: brought there as soon as it is pushed, so that no pod waits for gigabytes.

kind's nodes have no registry and are loaded; a cluster that somebody else made pulls by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.cluster.runtime import ctr
from hack.images.commands import logged
from hack.images.specs import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Collection

    from hack.cluster.state import ClusterState


def present(cluster: ClusterState) -> set[str]:
    """The references that the local cluster's node has."""
    return set(ctr(cluster.bin, "images", "list", "--quiet").split())


def pull(cluster: ClusterState, reference: str) -> float:
    """Brings an image to the local cluster's node; returns the seconds.

    Raises:
        ImageError: containerd refused it.
    """
    command = [str(cluster.bin / "ctr"), "--address", cluster.containerd_socket, "--namespace", "k8s.io"]
    label = reference.rsplit("/", 1)[1].split(":", maxsplit=1)[0]
    seconds = logged(f"{label}: pull", [*command, "images", "pull", "--plain-http", reference])
    # The unpacked copy is what pods run on; the registry has the packed one.
    ctr(cluster.bin, "content", "prune", "references")
    return seconds


def load(cluster: ClusterState, references: Collection[str]) -> None:
    """Loads images that Docker has into kind's nodes.

    Raises:
        ImageError: kind failed.
    """
    name = cluster.context.removeprefix("kind-")
    logged("kind: load", ["kind", "load", "docker-image", f"--name={name}", *references])


def forget(cluster: ClusterState, name: str, keep: str) -> None:
    """Deletes the node's other tags of an image; containers that still run keep their files."""
    prefix = f"{cluster.registry}/{REPOSITORY}/{name}:"
    stale = [each for each in present(cluster) if each.startswith(prefix) and each != f"{prefix}{keep}"]
    if stale:
        ctr(cluster.bin, "images", "remove", *stale)

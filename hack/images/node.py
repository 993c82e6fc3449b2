"""The node's copy of an image: brought there as soon as it is pushed, so that no pod waits for gigabytes.

kind's nodes have no registry and are loaded; a cluster that somebody else made pulls by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.cluster.runtime import ctr
from hack.images.commands import logged
from hack.images.specs import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from hack.cluster.state import ClusterState


def present(cluster: ClusterState) -> set[str]:
    """Lists the references that the local cluster's node has."""
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
    """Deletes the node's other versions of an image; containers that still run keep their files."""
    records = {line.split()[0]: line.split()[2] for line in ctr(cluster.bin, "images", "list").splitlines()[1:]}
    stale = outdated(records, f"{cluster.registry}/{REPOSITORY}/{name}", keep)
    if stale:
        ctr(cluster.bin, "images", "remove", *stale)


def outdated(records: Mapping[str, str], repository: str, keep: str) -> list[str]:
    """Lists containerd's image records to delete, so that only one tag of an image is left.

    For each image that pods may use, containerd keeps two or three records: its tag, `REPOSITORY@DIGEST` if the kubelet
    pulled it, and the bare digest of its configuration. Any of them holds the image's files.

    Args:
        records: the digest of each record's manifest, by the record's name.
        repository: the image, without its tag.
        keep: the tag to keep; empty for none.
    """
    kept = f"{repository}:{keep}"
    ours = [name for name in records if name.startswith((f"{repository}:", f"{repository}@"))]
    stale = [name for name in ours if name != kept and not ("@" in name and records[name] == records.get(kept))]
    in_use = {digest for name, digest in records.items() if not name.startswith("sha256:") and name not in stale}
    return stale + [name for name, digest in records.items() if name.startswith("sha256:") and digest not in in_use]

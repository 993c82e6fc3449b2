"""The services' one way to the cluster: kubectl with the cluster's own kubeconfig and context.

What holds a secret goes by standard input, never as an argument.
"""

from __future__ import annotations

import base64
import json
import subprocess
from typing import TYPE_CHECKING, Any

from hack.cluster import state
from hack.services.errors import ServiceError

if TYPE_CHECKING:
    from hack.cluster.state import ClusterState


def the_cluster() -> ClusterState:
    """The cluster that is up.

    Raises:
        ServiceError: none is.
    """
    cluster = state.load()
    if cluster is None:
        raise ServiceError("services: no cluster is up; run make cluster-up first")
    return cluster


def run(cluster: ClusterState, *arguments: str, stdin: str = "") -> str:
    """Runs kubectl; returns what it printed.

    Raises:
        ServiceError: it failed; holds what it said, which never repeats its standard input.
    """
    command = [str(cluster.bin / "kubectl"), f"--kubeconfig={cluster.kubeconfig}", f"--context={cluster.context}"]
    done = subprocess.run([*command, *arguments], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceError(f"kubectl {' '.join(arguments[:3])}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def get(cluster: ClusterState, namespace: str, kind: str, name: str) -> dict[str, Any] | None:
    """An object, or None where there is none."""
    found = run(cluster, "get", kind, name, "--namespace", namespace, "--ignore-not-found", "--output=json")
    return dict(json.loads(found)) if found.strip() else None


def secret(cluster: ClusterState, namespace: str, name: str) -> dict[str, str] | None:
    """A Secret's entries, or None where there is none."""
    found = get(cluster, namespace, "secret", name)
    data = (found or {}).get("data") or {}
    return {key: base64.b64decode(value).decode() for key, value in data.items()} if found else None

"""What other programs need to know of the cluster that is up: read from, and written to, one state file.

The images, the demo and the tests read it; only `up` and `down` write it. Does not ask whether the cluster is healthy.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from hack.cluster import layout


@dataclasses.dataclass(frozen=True)
class ClusterState:
    """A cluster that `up` has made or was told to use."""

    kubeconfig: Path
    context: str
    registry: str
    """Where images are pushed and pulled, `host:port`; empty where the cluster has no registry of ours."""
    bin: Path
    """The folder with kubectl and helm (and, for a local cluster, everything else)."""
    kind: str
    """`local`, `kind` or `context`."""
    containerd_socket: str
    """The local cluster's containerd; empty for the others."""


def path() -> Path:
    """Returns the state file."""
    return layout.cluster() / "state.json"


def load() -> ClusterState | None:
    """Reads the cluster's state; None where none is up."""
    try:
        raw = json.loads(path().read_text())
    except FileNotFoundError:
        return None
    return ClusterState(**{**raw, "kubeconfig": Path(raw["kubeconfig"]), "bin": Path(raw["bin"])})


def save(state: ClusterState) -> None:
    """Writes the state file, whole or not at all."""
    path().parent.mkdir(parents=True, exist_ok=True)
    partial = path().with_suffix(".partial")
    partial.write_text(json.dumps(dataclasses.asdict(state), default=str, indent=1) + "\n")
    partial.replace(path())

"""A cluster in a container, where a container engine answers: thin, since kind does all of it.

Its kubeconfig is a file of ours, so that no context of the user's is touched. Images come by `kind load`, not by a
registry.
"""

from __future__ import annotations

import shutil
import subprocess

from hack.cluster import context, layout, state
from hack.cluster.progress import ClusterError, say

_NAME = "trainyard-test"


def up() -> state.ClusterState:
    """Creates the cluster unless it exists, and notes it.

    Raises:
        ClusterError: there is no kind, or it failed.
    """
    if shutil.which("kind") is None:
        raise ClusterError(
            "kind: a container engine answers, but there is no kind to make a cluster in it; "
            "install kind, or set TRAINYARD_CONTEXT"
        )
    kubeconfig = layout.cluster() / "kubeconfig"
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    existing = subprocess.run(["kind", "get", "clusters"], capture_output=True, text=True, check=False).stdout.split()
    _kind(
        *(("export", "kubeconfig") if _NAME in existing else ("create", "cluster", "--wait=120s")),
        f"--kubeconfig={kubeconfig}",
    )
    made = state.ClusterState(kubeconfig, f"kind-{_NAME}", "", context.tools(), "kind", "")
    state.save(made)
    say(f"ready: export KUBECONFIG={kubeconfig}")
    return made


def down() -> None:
    """Deletes the cluster.

    Raises:
        ClusterError: kind failed.
    """
    _kind("delete", "cluster", f"--kubeconfig={layout.cluster() / 'kubeconfig'}")
    state.path().unlink()
    say("down: kind's cluster is deleted")


def _kind(*arguments: str) -> None:
    say(f"kind {' '.join(arguments)}")
    if subprocess.run(["kind", *arguments, f"--name={_NAME}"], check=False).returncode:
        raise ClusterError(f"kind: {' '.join(arguments)} failed: see above")

"""A cluster that somebody else made: its context is checked and noted, nothing in it is created, changed or deleted."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import yaml

from hack.cluster import binaries, state
from hack.cluster.progress import ClusterError, say


def use(name: str) -> state.ClusterState:
    """Notes the context as the cluster to use.

    The kubeconfig is KUBECONFIG's first file, else ~/.kube/config; images go to the registry named in
    TRAINYARD_REGISTRY, which the cluster's nodes must be able to pull from.

    Raises:
        ClusterError: there is no such context, or its API server doesn't answer.
    """
    first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    kubeconfig = Path(first) if first else Path.home() / ".kube" / "config"
    known = names(kubeconfig)
    if name not in known:
        raise ClusterError(
            f"TRAINYARD_CONTEXT: want a context of {kubeconfig} ({', '.join(known) or 'it has none'}); got {name!r}"
        )
    registry = os.environ.get("TRAINYARD_REGISTRY", "")
    made = state.ClusterState(kubeconfig, name, registry, tools(), "context", "")
    if not answers(made):
        raise ClusterError(
            f"TRAINYARD_CONTEXT: the API server of {name!r} does not answer; try kubectl --context {name} get nodes"
        )
    state.save(made)
    say(f"using the context {name}; nothing was created")
    return made


def names(kubeconfig: Path) -> list[str]:
    """Lists the contexts of a kubeconfig; none where there is no file."""
    content = yaml.safe_load(kubeconfig.read_text()) if kubeconfig.exists() else {}
    return [entry["name"] for entry in content.get("contexts") or []]


def tools() -> Path:
    """Finds the folder with kubectl and helm: the machine's where it has both in one, else our own builds."""
    kubectl, helm = shutil.which("kubectl"), shutil.which("helm")
    if kubectl and helm and Path(kubectl).parent == Path(helm).parent:
        return Path(kubectl).parent
    return binaries.ensure(["kubectl", "helm"])


def answers(known: state.ClusterState) -> bool:
    """Says whether the API server says it is ready."""
    command = [str(known.bin / "kubectl"), f"--kubeconfig={known.kubeconfig}", f"--context={known.context}"]
    done = subprocess.run([*command, "--request-timeout=10s", "get", "--raw=/readyz"], capture_output=True, check=False)
    return done.returncode == 0


def status(known: state.ClusterState) -> bool:
    """Prints and returns whether the cluster's API server is ready."""
    well = answers(known)
    print(f"{known.kind} {known.context}: API server {'healthy' if well else 'does not answer'}")
    return well

"""The nodes of the burst: kwok, built once from a pinned Go module into the cache. Only this benchmark needs it.

kwok plays the kubelet of every node. What it does to nodes and pods is said by stages, files of the same module.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hack.cluster import layout, toolchain
from hack.cluster.locks import exclusive
from hack.cluster.progress import ClusterError, say

_MODULE: Final = Path(__file__).parent / "go"
_SOURCE: Final = "sigs.k8s.io/kwok"
STAGES: Final = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat/node-heartbeat.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-delete.yaml",
)
"""A node is ready at once and stays so; a pod runs at once and is gone at once when it is deleted."""


@dataclass(frozen=True)
class Kwok:
    """The program and its stages, in one folder."""

    folder: Path

    @property
    def program(self) -> Path:
        """Returns the path of the program."""
        return self.folder / "kwok"

    def command(self, kubeconfig: Path) -> list[str]:
        """Returns the command that plays all nodes of a cluster."""
        stages = [f"--config={self.folder / Path(stage).name}" for stage in STAGES]
        return [str(self.program), f"--kubeconfig={kubeconfig}", "--manage-all-nodes=true", *stages]


def ensure() -> Kwok:
    """Builds kwok unless it is in the cache.

    Raises:
        ClusterError: no compiler is to be had, or the build failed.
    """
    kwok = Kwok(layout.cache() / "bench" / f"kwok-{fingerprint()}")
    if not kwok.program.exists():
        with exclusive("build"):
            if not kwok.program.exists():
                _build(kwok)
    return kwok


def fingerprint() -> str:
    """Names the folder of the program: changes with every pinned version and stage."""
    digest = hashlib.sha256("\0".join(STAGES).encode())
    for name in ("go.mod", "go.sum"):
        digest.update((_MODULE / name).read_bytes())
    return digest.hexdigest()[:16]


def _build(kwok: Kwok) -> None:
    scratch = layout.cache() / "build-kwok"
    for place in (scratch / "tmp", kwok.folder):
        place.mkdir(parents=True, exist_ok=True)
    env = os.environ | {
        "CGO_ENABLED": "0",
        "GOCACHE": str(scratch / "objects"),
        "GOMODCACHE": str(scratch / "modules"),
        "GOTMPDIR": str(scratch / "tmp"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-modcacherw",  # or the scratch can't be deleted but by root
    }
    go = toolchain.find(_MODULE / "go.mod")
    say(f"build: kwok with {go} (once; minutes)")
    made = scratch / "kwok"
    _go(env, go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(made), f"{_SOURCE}/cmd/kwok")
    source = Path(_go(env, go, "list", "-m", "-f", "{{.Dir}}", _SOURCE).strip())
    for stage in STAGES:
        shutil.copyfile(source / "kustomize" / "stage" / stage, kwok.folder / Path(stage).name)
    made.replace(kwok.program)  # last: where it is, all is
    shutil.rmtree(scratch)


def _go(env: dict[str, str], *command: str) -> str:
    done = subprocess.run(command, cwd=_MODULE, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"build: {' '.join(command[:2])} ended with {done.returncode}; {done.stderr[-2000:]}")
    return done.stdout

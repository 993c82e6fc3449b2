"""The cluster's programs, built once from pinned Go modules into the cache: the one place that calls the Go compiler.

Every other module asks `ensure` for the folder and finds the programs there by name. A build that was cut off goes on;
the scratch of a finished one is deleted.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hack.cluster import layout, state, toolchain
from hack.cluster.locks import exclusive
from hack.cluster.progress import ClusterError, say

if TYPE_CHECKING:
    from collections.abc import Collection

_MODULE = Path(__file__).parent / "go"
_SAY_EVERY = 20.0


@dataclass(frozen=True)
class Program:
    """One binary: the package it is built from and the other names it answers to."""

    package: str
    links: tuple[str, ...] = ()


PROGRAMS = {
    "kube": Program(
        "./cmd/kube",
        ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"),
    ),
    "containerd": Program("github.com/containerd/containerd/v2/cmd/containerd"),
    "containerd-shim-runc-v2": Program("github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"),
    "ctr": Program("github.com/containerd/containerd/v2/cmd/ctr"),
    "registry": Program("./cmd/registry"),
    "coredns": Program("./cmd/coredns"),
    "pause": Program("./cmd/pause"),
    "helm": Program("helm.sh/helm/v3/cmd/helm"),
    "versitygw": Program("github.com/versity/versitygw/cmd/versitygw"),
}


def ensure(names: Collection[str] = ()) -> Path:
    """Builds what is missing of the named programs (all, where none is named).

    Args:
        names: programs or their links, such as `kubectl`.

    Returns: the folder in which every named program lies.

    Raises:
        ClusterError: a name is unknown, no compiler is to be had, or the build failed.
    """
    wanted = {owner_of(name) for name in names} or set(PROGRAMS)
    folder = layout.cache() / "bin" / fingerprint()
    if not missing(folder, wanted):
        return folder
    with exclusive("build"):
        lacking = missing(folder, wanted)
        if lacking:
            _build(folder, lacking)
    return folder


def owner_of(name: str) -> str:
    """Finds the program that answers to a name.

    Raises:
        ClusterError: none does.
    """
    for program, content in PROGRAMS.items():
        if name == program or name in content.links:
            return program
    raise ClusterError(f"binaries: want one of {', '.join(PROGRAMS)} or a link of theirs; got {name!r}")


def missing(folder: Path, wanted: Collection[str]) -> list[str]:
    """Lists the wanted programs that the folder lacks, in build order."""
    return [
        name
        for name, program in PROGRAMS.items()
        if name in wanted and not all((folder / file).exists() for file in (name, *program.links))
    ]


def fingerprint() -> str:
    """Names the folder of the binaries: changes with every pinned version, source line and build flag."""
    digest = hashlib.sha256("\0".join(_flags()).encode())
    for file in sorted([*_MODULE.glob("go.*"), *_MODULE.rglob("*.go")]):
        digest.update(f"\0{file.relative_to(_MODULE)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _flags() -> list[str]:
    major, minor = layout.KUBERNETES.lstrip("v").split(".")[:2]
    stamps = {"gitVersion": layout.KUBERNETES, "gitMajor": major, "gitMinor": minor}
    # Clients refuse a server that can't say its version.
    variables = [
        f"-X {package}.{name}={value}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for name, value in stamps.items()
    ]
    return ["-trimpath", "-buildvcs=false", "-ldflags", " ".join(["-s", "-w", *variables])]


def _build(folder: Path, names: list[str]) -> None:
    go = toolchain.find(_MODULE / "go.mod")
    scratch = layout.cache() / "build"
    partial = scratch / f"bin-{folder.name}"
    for place in (partial, scratch / "tmp", folder):
        place.mkdir(parents=True, exist_ok=True)
    env = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOCACHE": str(scratch / "objects"),
        "GOMODCACHE": str(scratch / "modules"),
        "GOTMPDIR": str(scratch / "tmp"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-modcacherw",  # or the scratch can't be deleted but by root
    }
    packages = [PROGRAMS[name].package for name in names]
    say(f"build: {', '.join(names)} with {go} (once; about 8 minutes on 2 cores for all)")
    _run_with_progress([go, "build", "-v", *_flags(), "-o", f"{partial}/", *packages], env, scratch / "build.log")
    for name in names:
        (partial / name).replace(folder / name)
        for link in PROGRAMS[name].links:
            (folder / link).unlink(missing_ok=True)
            (folder / link).symlink_to(name)
    shutil.rmtree(scratch)
    if not missing(folder, PROGRAMS):
        _forget_older({folder, *_in_use()})
    say(f"build: done, binaries in {folder}")


def _run_with_progress(command: list[str], env: dict[str, str], log: Path) -> None:
    said = time.monotonic()
    with log.open("w+") as output:
        process = subprocess.Popen(command, cwd=_MODULE, env=env, stdout=output, stderr=output)
        while process.poll() is None:
            time.sleep(0.2)
            if time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                say(f"build: {_count(log)}")
    if process.returncode:
        tail = "\n".join(log.read_text().splitlines()[-20:])
        raise ClusterError(f"build: go ended with {process.returncode}; the end of {log}:\n{tail}")


def _count(log: Path) -> str:
    lines = log.read_text().splitlines()
    downloads = sum(line.startswith("go: downloading") for line in lines)
    return f"{downloads} modules downloaded, {len(lines) - downloads} packages compiled"


def _in_use() -> list[Path]:
    up = state.load()  # another checkout's cluster may run on its own binaries
    return [up.bin] if up else []


def _forget_older(keep: Collection[Path]) -> None:
    for folder in (layout.cache() / "bin").iterdir():
        if folder not in keep:
            shutil.rmtree(folder)

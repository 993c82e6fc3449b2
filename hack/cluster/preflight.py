"""What the machine must have for a local cluster, looked at before any work: each lack is one line that says what to do.

Changes nothing but for trials that it undoes at once.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from hack.cluster import layout, packages
from hack.cluster.progress import ClusterError

COLD_GIB = 40
WARM_GIB = 8
_CONTROLLERS = {"cpu", "cpuset", "memory", "pids"}


def machine(*, warm: bool) -> None:
    """Checks the system, the rights, the packages, the disk and the addresses.

    Args:
        warm: the binaries and images of an earlier `up` are there, so that little more is written.

    Raises:
        ClusterError: the first thing that is missing.
    """
    if platform.system() != "Linux":
        raise ClusterError(f"system: want Linux, whose kernel runs the pods (or kind with a container engine); got {platform.system()}")
    if os.geteuid() != 0:
        raise ClusterError("rights: a local cluster needs root; run as root, or start a container engine and install kind, or set TRAINYARD_CONTEXT")
    packages.check(packages.CLUSTER)
    disk(layout.cache(), WARM_GIB if warm else COLD_GIB)
    controllers(cgroup_controllers())
    overlay()
    addresses(Path("/proc/net/route").read_text())


def disk(folder: Path, gib: int) -> None:
    """Raises ClusterError unless the folder's file system has that much room."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free >> 30
    if free < gib:
        raise ClusterError(f"disk: want {gib} GB free under {existing} for builds and images; got {free} GB; free some or set TRAINYARD_CACHE to a folder on a larger disk")


def cgroup_controllers() -> set[str]:
    """The kernel's enabled controllers, cgroup v1 or v2."""
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    if unified.exists():
        return set(unified.read_text().split())
    lines = [line.split() for line in Path("/proc/cgroups").read_text().splitlines()[1:]]
    mounted = {folder.name for folder in Path("/sys/fs/cgroup").iterdir()}
    return {name for name, _, _, enabled in lines if enabled == "1" and (name in mounted or name in _symlinked())}


def controllers(present: set[str]) -> None:
    """Raises ClusterError unless every controller that limits pods is there."""
    lacking = sorted(_CONTROLLERS - present)
    if lacking:
        raise ClusterError(f"kernel: want the cgroup controllers {' '.join(sorted(_CONTROLLERS))}, which hold pods to their limits; {' '.join(lacking)} not mounted under /sys/fs/cgroup")


def overlay() -> None:
    """Mounts an overlay where images will lie; raises ClusterError if the kernel or the file system can't."""
    layout.cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.cache(), prefix="preflight-") as name:
        lower, upper, work, merged = (Path(name) / part for part in ("lower", "upper", "work", "merged"))
        for folder in (lower, upper, work, merged):
            folder.mkdir()
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        done = _run("mount", "-t", "overlay", "overlay", "-o", options, str(merged))
        if done:
            raise ClusterError(f"kernel: want overlay mounts under {layout.cache()} for images; mount says: {done}; load the module overlay, or set TRAINYARD_CACHE to a folder on ext4 or xfs")
        _run("umount", str(merged))


def network() -> None:
    """Tries a bridge, a pair of virtual cables and a packet rule; needs the packages.

    Raises:
        ClusterError: the kernel lacks one.
    """
    ip, nft = packages.find("ip") or "ip", packages.find("nft") or "nft"
    trials = {
        "bridge": ([ip, "link", "add", "trainyard-try", "type", "bridge"], [ip, "link", "del", "trainyard-try"]),
        "veth": (
            [ip, "link", "add", "trainyard-try", "type", "veth", "peer", "name", "trainyard-tr2"],
            [ip, "link", "del", "trainyard-try"],
        ),
        "nf_tables and nft_masq": (
            [nft, "add table ip trainyard-try; add chain ip trainyard-try c { type nat hook postrouting priority 100; }; "
             "add rule ip trainyard-try c ip saddr 10.213.79.0/24 masquerade"],
            [nft, "delete table ip trainyard-try"],
        ),
    }  # fmt: skip
    for feature, (trial, undo) in trials.items():
        failure = _run(*trial)
        _run(*undo)
        if failure:
            raise ClusterError(f"kernel: want {feature}, which carries the pods' network; {trial[0]} says: {failure}; load the modules or use another machine")


def addresses(routes: str) -> None:
    """Raises ClusterError if the machine already routes the cluster's addresses elsewhere.

    Args:
        routes: the content of /proc/net/route.
    """
    ours = _number(layout.POD_CIDR.split("/")[0])
    block = 0xFFFFF800  # the two neighbouring /22 of pods and services
    for line in routes.splitlines()[1:]:
        device, destination, _, _, _, _, _, mask = line.split()[:8]
        network, wide = _swapped(destination), _swapped(mask)
        default = wide == 0
        if device != layout.BRIDGE and not default and (network & wide & block) == (ours & wide & block):
            raise ClusterError(f"addresses: {layout.POD_CIDR} and {layout.SERVICE_CIDR} are the cluster's, but this machine routes them to {device}; remove that route")


def _symlinked() -> set[str]:
    # Some machines mount two controllers together, under a name such as `cpu,cpuacct`.
    return {part for folder in Path("/sys/fs/cgroup").iterdir() for part in folder.name.split(",")}


def _number(address: str) -> int:
    return int.from_bytes(bytes(int(part) for part in address.split(".")), "big")


def _swapped(text: str) -> int:
    return int.from_bytes(bytes.fromhex(text), "little")


def _run(*command: str) -> str:
    """What the command complained about; empty if it succeeded."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no reason"])[-1]

"""What the machine must have for a local cluster, looked at before any work: each lack is one line saying what to do.

Changes nothing but for trials that it undoes at once.
"""

from __future__ import annotations

import ipaddress
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
_TRY, _TRY_PEER = "trainyard-try", "trainyard-try2"
_TRY_RULES = (
    f"add table ip {_TRY}; add chain ip {_TRY} c {{ type nat hook postrouting priority 100; }};"
    f"add rule ip {_TRY} c ip saddr {layout.POD_CIDR} counter masquerade"
)


def machine(*, warm: bool) -> None:
    """Checks the system, the rights, the packages, the disk and the addresses.

    Args:
        warm: the binaries and images of an earlier `up` are there, so that little more is written.

    Raises:
        ClusterError: the first thing that is missing.
    """
    if platform.system() != "Linux":
        raise ClusterError(
            "system: want Linux, whose kernel runs the pods, or a container engine and kind, or TRAINYARD_CONTEXT; "
            f"got {platform.system()}"
        )
    if os.geteuid() != 0:
        raise ClusterError(
            "rights: a local cluster needs root; run as root, or start a container engine and install kind, "
            f"or set TRAINYARD_CONTEXT; got user id {os.geteuid()}"
        )
    packages.check(packages.CLUSTER)
    short_enough(layout.cache())
    disk(layout.cache(), WARM_GIB if warm else COLD_GIB)
    controllers(cgroup_controllers())
    addresses(Path("/proc/net/route").read_text())
    overlay()


def short_enough(cache: Path) -> None:
    """Raises ClusterError unless the kubelet's longest socket below the cache fits into a Unix address."""
    longest = 107 - len("/cluster/kubelet/pod-resources/0123456789")
    if len(os.fsencode(cache)) > longest:
        raise ClusterError(
            f"cache: sockets lie below it, so its path may have {longest} bytes at most; set TRAINYARD_CACHE to a "
            f"shorter one; got {cache}"
        )


def disk(folder: Path, gib: int) -> None:
    """Raises ClusterError unless the folder's file system has that much room."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free >> 30
    if free < gib:
        raise ClusterError(
            f"disk: want {gib} GB free under {existing} for builds and images; free some, "
            f"or set TRAINYARD_CACHE to a folder on a larger disk; got {free} GB"
        )


def cgroup_controllers() -> set[str]:
    """Lists the kernel's controllers that are mounted, cgroup v1 or v2."""
    base = Path("/sys/fs/cgroup")
    unified = base / "cgroup.controllers"
    if unified.exists():
        return set(unified.read_text().split())
    # A v1 folder may hold two controllers, under a name such as `cpu,cpuacct`.
    return {part for folder in base.glob("*") if (folder / "cgroup.procs").exists() for part in folder.name.split(",")}


def controllers(present: set[str]) -> None:
    """Raises ClusterError unless every controller that limits pods is there."""
    lacking = sorted(_CONTROLLERS - present)
    if lacking:
        raise ClusterError(
            f"kernel: want the cgroup controllers {' '.join(sorted(_CONTROLLERS))}, which hold pods to their limits, "
            f"mounted under /sys/fs/cgroup; lacking {' '.join(lacking)}"
        )


def overlay() -> None:
    """Mounts an overlay where images will lie; raises ClusterError if the kernel or the file system can't."""
    layout.cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.cache(), prefix="preflight-") as name:
        lower, upper, work, merged = (Path(name) / part for part in ("lower", "upper", "work", "merged"))
        for folder in (lower, upper, work, merged):
            folder.mkdir()
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        failure = _run("mount", "-t", "overlay", "overlay", "-o", options, str(merged))
        if failure:
            raise ClusterError(
                f"kernel: want overlay mounts under {layout.cache()} for images; load the module overlay, "
                f"or set TRAINYARD_CACHE to a folder on ext4 or xfs; mount says: {failure}"
            )
        _run("umount", str(merged))


def network() -> None:
    """Tries a bridge, a pair of virtual cables and a packet rule; needs the packages.

    Raises:
        ClusterError: the kernel lacks one.
    """
    ip, nft = packages.find("ip") or "ip", packages.find("nft") or "nft"
    remove = [ip, "link", "del", _TRY]
    trials = {
        "bridge": ([ip, "link", "add", _TRY, "type", "bridge"], remove),
        "veth": ([ip, "link", "add", _TRY, "type", "veth", "peer", "name", _TRY_PEER], remove),
        "nf_tables with nft_masq": ([nft, _TRY_RULES], [nft, f"delete table ip {_TRY}"]),
    }
    for feature, (trial, undo) in trials.items():
        failure = _run(*trial)
        _run(*undo)
        if failure:
            raise ClusterError(
                f"kernel: want {feature}, which carries the pods' network; load its modules or use another machine; "
                f"{trial[0]} says: {failure}"
            )


def other_node(tables: str) -> None:
    """Raises ClusterError if another Kubernetes directs packets here: ours would fight it, and `down` clear its rules.

    Args:
        tables: nft's list of tables, with nothing of an earlier cluster of ours left in it.
    """
    found = [line for line in tables.splitlines() if line.split()[-1:] == ["kube-proxy"]]
    if found:
        raise ClusterError(
            "network: this machine is a node of another Kubernetes cluster, whose packet rules would be lost; use that "
            f"cluster by TRAINYARD_CONTEXT, or another machine; got {found[0]}"
        )


def addresses(routes: str) -> None:
    """Raises ClusterError if the machine already routes the cluster's addresses elsewhere.

    Args:
        routes: the content of /proc/net/route. Wide routes don't matter: the cluster's own are narrower and win.
    """
    ours = [ipaddress.ip_network(each) for each in (layout.POD_CIDR, layout.SERVICE_CIDR)]
    for line in routes.splitlines()[1:]:
        device, destination, _, _, _, _, _, mask = line.split()[:8]
        network_address = ipaddress.ip_address(_swapped(destination))
        route = ipaddress.ip_network(f"{network_address}/{_swapped(mask).bit_count()}")
        if device != layout.BRIDGE and route.prefixlen >= 16 and any(route.overlaps(each) for each in ours):
            raise ClusterError(
                f"addresses: {layout.POD_CIDR} and {layout.SERVICE_CIDR} are the test cluster's; remove the route that "
                f"takes them elsewhere; got {route} to {device}"
            )


def _swapped(text: str) -> int:
    return int.from_bytes(bytes.fromhex(text), "little")


def _run(*command: str) -> str:
    """Runs a command and returns what it complained about; empty if it succeeded."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no reason"])[-1]

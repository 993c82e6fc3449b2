"""What pods leave behind on the machine when their cluster is stopped at once, and how each of it is taken away.

Works with containerd alive or dead. Touches only what lies under the cluster's own folders, socket and cgroup.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from hack.cluster import cgroup, layout, processes, runtime
from hack.cluster.component import Host
from hack.cluster.progress import ClusterError, say


def pods(programs: Path) -> None:
    """Stops the kubelet, then every container, and forgets them in containerd's store; images stay."""
    processes.stop(layout.pids(), "kubelet", grace=0)
    if not (programs / "containerd").exists() or not layout.image_store().exists():
        return
    host = Host(layout.pids(), layout.logs())
    try:
        # Also a dead containerd is started once more: what its store remembers would come back with the next cluster.
        host.up([runtime.containerd(programs)], quiet=True)
        for noun, listing in (("tasks", ["tasks", "list", "-q"]), ("containers", ["containers", "list", "-q"])):
            names = runtime.ctr(programs, *listing).split()
            if names:
                force = ["--force"] if noun == "tasks" else []
                with contextlib.suppress(ClusterError):  # one that ended meanwhile; the sweep takes the rest
                    runtime.ctr(programs, noun, "delete", *force, *names)
    except ClusterError as error:
        say(f"down: {error}; going on without containerd")


def sweep() -> None:
    """Kills what containers left running, unmounts what they mounted, removes their cgroups and notes."""
    _kill(processes.with_argument(str(layout.containerd_socket())))
    for _ in range(50):
        lingering = cgroup.members()
        if not lingering:
            break
        _kill(lingering)
        time.sleep(0.1)
    for mount in reversed(mounts()):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
    cgroup.remove()
    _remove_notes()


def _kill(ids: list[int]) -> None:
    for each in ids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def mounts() -> list[str]:
    """Lists what is mounted under the cluster's folders, parents before children."""
    ours = (str(layout.cluster()), str(layout.node_runtime()), str(layout.image_store()))
    lines = Path("/proc/self/mounts").read_text().splitlines()
    targets = [line.split()[1].encode().decode("unicode_escape") for line in lines]
    return [target for target in targets if any(target.startswith(f"{folder}/") for folder in ours)]


def _remove_notes() -> None:
    for link in layout.CONTAINER_LOG_LINKS.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(str(layout.cluster())):
            link.unlink()
    for note in layout.CNI_RESULTS.glob(f"{layout.NFT_TABLE}-*"):
        note.unlink()
    if not _listens(layout.DEVICE_PLUGINS / "kubelet.sock"):
        (layout.DEVICE_PLUGINS / "kubelet.sock").unlink(missing_ok=True)
    for places in (layout.CONTAINER_LOG_LINKS, layout.CNI_RESULTS, layout.DEVICE_PLUGINS):
        for folder in (places, places.parent):
            if folder != Path("/var/log"):
                with contextlib.suppress(OSError):  # not there, or something of another program lies in it
                    folder.rmdir()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True

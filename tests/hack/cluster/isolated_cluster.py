"""Run by `test_teardown` in namespaces of its own: a second cluster comes up, runs a pod, goes down.

Prints, as JSON, what was there while it was up and what is left afterwards. The names that even namespaces share (the
cgroup, the folder of sockets) are other ones here, so that the cluster which is up for other tests is not touched.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from hack.cluster import layout, local, runtime
from tests.waiting import WITHIN_GUARD

NAME = "trainyard-isolated"
FIXED = ("/run", "/var/lib", "/var/log")
layout.CGROUP = NAME
layout.runtime = lambda: Path("/run", NAME)


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def found() -> dict[str, list[str]]:
    """Everything on the machine that is this cluster's, by kind."""
    marks = (str(layout.cluster()), str(layout.node_runtime()))
    commands = {file.parent.name: file for file in Path("/proc").glob("[0-9]*/cmdline")}
    own = {str(os.getpid()), str(os.getppid())}
    processes = []
    for number, file in commands.items():
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if number not in own and any(mark in line for mark in marks):
            processes.append(line)
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return {
        "processes": processes,
        "mounts": [each for each in mounts if each.startswith(marks)],
        "interfaces": [name for _, name in socket.if_nameindex() if name != "lo"],
        "tables": _lines("nft", "list", "tables"),
        "routes": _lines("ip", "route"),
        "cgroups": [str(each) for each in Path("/sys/fs/cgroup").glob(f"**/{NAME}")],
        # The command `mount` keeps notes of its own.
        "files elsewhere": [
            str(each) for folder in FIXED for each in Path(folder).rglob("*") if "/run/mount" not in str(each)
        ],
        "files": [each.name for each in layout.cluster().iterdir()],
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text().split(),
    }


def run_pod() -> None:
    """A pod of the pause image runs, so that there is a sandbox, a shim, a cable and a volume to leave behind."""
    up = local.up()
    kubectl = [str(up.bin / "kubectl"), f"--kubeconfig={up.kubeconfig}"]
    subprocess.run(
        [*kubectl, "run", "it", f"--image={runtime.PAUSE_IMAGE}", "--image-pull-policy=Never"],
        check=True,
        stdout=sys.stderr,
    )
    subprocess.run([*kubectl, "wait", "--for=condition=Ready", "pod/it", WITHIN_GUARD], check=True, stdout=sys.stderr)


def main() -> None:
    """Twice up and down: what the first leaves must not disturb the second."""
    for folder in FIXED:  # some things have a fixed place, where the other cluster has its own
        _lines("mount", "-t", "tmpfs", "tmpfs", folder)
    _lines("ip", "link", "set", "lo", "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")  # a new namespace has what the machine has
    reports = []
    for _ in range(2):
        try:
            run_pod()
            during = found()
        finally:
            local.down()
        reports.append({"during": during, "after": found()})
    Path(sys.argv[1]).write_text(json.dumps(reports))


if __name__ == "__main__":
    main()

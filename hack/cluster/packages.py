"""Debian packages that the cluster and the image builds need: installed when root on a Debian-like machine, else named.

Says what it installs before it does. The mirrors are the machine's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from hack.cluster.progress import ClusterError, say

if TYPE_CHECKING:
    from collections.abc import Mapping

CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
# What each package is needed for: a program on the path, or a file.
CLUSTER = {
    "runc": "runc",
    "containernetworking-plugins": "cni:bridge",
    "nftables": "nft",
    "iproute2": "ip",
    "util-linux": "setpriv",
}
_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find(program: str) -> str | None:
    """Finds the full path of a program, also where root's folders are not on the path; `cni:NAME` is a network
    plugin.
    """
    if program.startswith("cni:"):
        plugins = [folder / program[4:] for folder in CNI_FOLDERS]
        return next((str(plugin) for plugin in plugins if plugin.exists()), None)
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_FOLDERS}")


def missing(packages: Mapping[str, str]) -> list[str]:
    """Lists the packages whose program is not there."""
    return [package for package, program in packages.items() if find(program) is None]


def check(packages: Mapping[str, str]) -> None:
    """Raises ClusterError unless the packages are there or can be installed."""
    lacking = missing(packages)
    if lacking and (find("apt-get") is None or os.geteuid() != 0):
        raise ClusterError(
            f"packages: {' '.join(lacking)} (Debian's names) must be installed; install them by your package manager"
        )


def ensure(packages: Mapping[str, str]) -> None:
    """Installs what is missing.

    Args:
        packages: Debian's name of each package and the program by which one sees that it is there.

    Raises:
        ClusterError: they can't be installed.
    """
    lacking = missing(packages)
    if not lacking:
        return
    check(packages)
    say(f"packages: installing {' '.join(lacking)} by apt-get")
    install = ["install", "--yes", "--quiet", "--no-install-recommends", *lacking]
    # Lists older than the mirror's files, or none: refresh them and try again.
    if _apt(install).returncode:
        _apt(["update", "--quiet"])
        done = _apt(install)
        if done.returncode:
            raise ClusterError(f"packages: apt-get {' '.join(install)} failed:\n{done.stdout[-2000:]}")
    lacking = missing(packages)
    if lacking:
        raise ClusterError(f"packages: installed, but their programs are not found: {' '.join(lacking)}")


def _apt(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

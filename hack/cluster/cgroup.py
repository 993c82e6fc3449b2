"""The one cgroup under which all pods of the cluster live, on cgroup v1 and v2.

Made by `up`, emptied by `teardown`, removed by `down`; what lies in it is the kubelet's business.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from hack.cluster import layout

_BASE = Path("/sys/fs/cgroup")


def make() -> None:
    """Makes the cgroup in every hierarchy; the kubelet refuses to start without."""
    for folder in _folders():
        folder.mkdir(exist_ok=True)


def members() -> list[int]:
    """Lists the ids of all processes in it."""
    found = []
    for folder in _folders():
        for file in folder.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):  # removed while we looked
                found += [int(line) for line in file.read_text().split()]
    return sorted(set(found))


def remove() -> None:
    """Removes it from every hierarchy. A part with a process that is still dying stays for the next time."""
    for folder in _folders():
        _remove(folder)


def _folders() -> list[Path]:
    if (_BASE / "cgroup.controllers").exists():
        return [_BASE / layout.CGROUP]
    # v1 has a hierarchy per controller; some are links to another that holds two.
    hierarchies = [each for each in _BASE.iterdir() if (each / "cgroup.procs").exists() and not each.is_symlink()]
    return [each / layout.CGROUP for each in hierarchies]


def _remove(folder: Path) -> None:
    if folder.is_dir():
        for child in [child for child in folder.iterdir() if child.is_dir()]:
            _remove(child)
        with contextlib.suppress(OSError):
            folder.rmdir()

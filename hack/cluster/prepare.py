"""The first thing on a new machine: what a local cluster needs is looked at, then Debian's packages are installed.

Run as `python -m hack.cluster.prepare` by `make`, before the development environment exists: standard library alone.
"""

from __future__ import annotations

import os
import sys

from hack.cluster import binaries, layout, packages, preflight
from hack.cluster.engine import engine_answers
from hack.cluster.progress import ClusterError


def machine() -> None:
    """Checks the machine and installs what the cluster needs of its distribution; a second call does nothing.

    Raises:
        ClusterError: the first thing that is missing.
    """
    programs = layout.cache() / "bin" / binaries.fingerprint()
    warm = layout.image_store().exists() and not binaries.missing(programs, binaries.PROGRAMS)
    preflight.machine(warm=warm)
    packages.ensure(packages.CLUSTER)


def main() -> int:
    """Prepares for a local cluster; for any other kind, or where one is up, there is nothing to do."""
    local_is_up = (layout.cluster() / "state.json").exists()
    if os.environ.get("TRAINYARD_CONTEXT") or local_is_up or engine_answers():
        return 0
    try:
        machine()
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command line of the test cluster: up, down, status, build. Chooses which kind of cluster it is.

In this order: the kube context named in TRAINYARD_CONTEXT, kind where a container engine answers, else a local cluster.
"""

from __future__ import annotations

import argparse
import os
import sys

from hack.cluster import binaries, context, kind, local, state
from hack.cluster.engine import engine_answers
from hack.cluster.locks import exclusive
from hack.cluster.progress import ClusterError, say


def up() -> None:
    """Brings a cluster up, heals it, or notes the one to use.

    Raises:
        ClusterError: the machine lacks something, or two kinds of cluster would get in each other's way.
    """
    known = state.load()
    if os.environ.get("TRAINYARD_CONTEXT"):
        if known and known.kind != "context":
            raise ClusterError(
                "TRAINYARD_CONTEXT: a cluster of ours is up; take it down first: python -m hack.cluster down"
            )
        context.use(os.environ["TRAINYARD_CONTEXT"])
    elif (known is None or known.kind != "local") and engine_answers():
        kind.up()
    else:
        local.up()


def down() -> None:
    """Takes away what `up` made; a context that it was told to use is only forgotten."""
    known = state.load()
    if known and known.kind == "context":
        state.path().unlink()
        say(f"forgot the context {known.context}; nothing in it was touched")
    elif known and known.kind == "kind":
        kind.down()
    elif known or local.leftovers():
        local.down()
        say("down: nothing is left but binaries, images and logs")
    else:
        say("down: no cluster is up")


def status() -> bool:
    """Prints the health of the cluster; whether it is well."""
    known = state.load()
    return context.status(known) if known and known.kind != "local" else local.status()


def main() -> int:
    """Runs one command; an error of the machine or the cluster is one line on stderr and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m hack.cluster", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "build"])
    command = parser.parse_args().command
    try:
        if command in {"up", "down"}:
            with exclusive("cluster"):
                up() if command == "up" else down()
        elif command == "status":
            return 0 if status() else 1
        else:
            say(f"binaries in {binaries.ensure()}")
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

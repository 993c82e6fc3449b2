"""The command line of the image builds: build, derive."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hack.cluster.progress import ClusterError
from hack.images import build as delivery
from hack.images import derive


def main() -> int:
    """Runs one command; an error is one line on stderr (and a log's end) and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m hack.images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="bring every image to the cluster")
    build.add_argument("--no-push", action="store_true", help="only build what needs nothing of the cluster")
    derived = commands.add_parser("derive", help="build an image on one of ours and bring it to the cluster")
    derived.add_argument("--from", dest="parent", required=True, help="operator or trainer")
    derived.add_argument("--context", type=Path, required=True, help="a folder with a Dockerfile that takes BASE")
    derived.add_argument("--name", required=True, help="what to call it")
    arguments = parser.parse_args()
    try:
        if arguments.command == "derive":
            print(derive(arguments.parent, arguments.context, arguments.name))
        elif arguments.no_push:
            delivery.build_only()
        else:
            for name, reference in delivery.build().items():
                print(f"{name}: {reference}")
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command line of the services: up, down."""

from __future__ import annotations

import argparse
import sys

from hack.cluster.progress import ClusterError
from hack.kubectl import CommandError
from hack.services import lifecycle


def main() -> int:
    """Runs one command; an error is one line on stderr and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m hack.services", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    try:
        getattr(lifecycle, parser.parse_args().command)()
    except (ClusterError, CommandError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

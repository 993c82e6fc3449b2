"""`python -m hack.house [--root PATH] [hops ENTRY EXIT... | walks | places NAME]`: how this house is built.

Without a command: circles of folders, lengths of files and functions, and mirrored tests, for each package. `hops`
counts the files to open from an entry to all exits, `walks` does so for the ways of `hack/house/walks.py`, `places`
counts the definitions of the product that name something. Symbols are `module:name` or `module:Class.method`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hack.house import report
from hack.house.checkout import HERE, Checkout
from hack.house.hops import NoWayError
from hack.house.reader import Reader
from hack.house.symbols import read


def main(arguments: list[str]) -> int:
    """Prints what the arguments ask for; returns 1 where a way or a symbol isn't there."""
    parser = argparse.ArgumentParser(prog="python -m hack.house", description=__doc__)
    parser.add_argument("--root", type=Path, default=HERE, help="another checkout; by default this one")
    commands = parser.add_subparsers(dest="command")
    hops = commands.add_parser("hops")
    hops.add_argument("entry")
    hops.add_argument("exits", nargs="+")
    commands.add_parser("walks")
    commands.add_parser("places").add_argument("name")
    asked = parser.parse_args(arguments)
    checkout = Checkout(asked.root.resolve())
    reader = Reader(read(checkout.modules))
    match asked.command:
        case "hops":
            lines = report.way(reader, asked.entry, asked.exits)
        case "walks":
            lines = report.walks(checkout, reader)
        case "places":
            lines = report.named(checkout.product, asked.name)
        case _:
            lines = report.structure(checkout)
    try:
        for line in lines:
            print(line)
    except NoWayError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

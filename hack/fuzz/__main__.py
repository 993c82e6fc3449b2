"""`python -m hack.fuzz [--seconds 120] [--seed N] [--quiet] [KIND...]`: fresh inputs until the time is up.

Prints each input before it is tried, and for a find the smallest one with the command that leads to it again. Ends
with 1 where there was one.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys

from hack.fuzz import environments, jsonl, manifests, rewards, runs, templates, tool_calls
from hack.fuzz.kind import Kind
from hack.fuzz.search import search

KINDS: tuple[Kind, ...] = (  # type: ignore[type-arg]  # each has inputs of its own
    jsonl.KIND,
    manifests.KIND,
    tool_calls.KIND,
    templates.KIND,
    rewards.KIND,
    environments.KIND,
    runs.KIND,
)


def fuzz(names: list[str], seconds: float, first_seed: int, *, quiet: bool = False) -> int:
    """Gives each of these kinds its share of the time; returns the number of finds."""
    chosen = [kind for kind in KINDS if not names or kind.name in names]
    print(f"fuzz: {', '.join(kind.name for kind in chosen)}; {seconds:g} s; seed {first_seed}", flush=True)
    finds = 0
    for kind in chosen:
        found = search(kind, first_seed, seconds / len(chosen), (lambda _: None) if quiet else _say)
        if found is not None:
            finds += 1
            print(f"\nFOUND {found}\n", flush=True)
    print(f"fuzz: {finds} finds", flush=True)
    return finds


def fresh_seed() -> int:
    """Draws a seed that nobody has chosen."""
    return random.SystemRandom().randrange(2**32)


def _say(text: str) -> None:
    print(text, flush=True)


def main(arguments: list[str]) -> int:
    """Runs what the arguments say; 0 without a find."""
    parser = argparse.ArgumentParser(prog="python -m hack.fuzz", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", choices=[[], *(kind.name for kind in KINDS)])
    parser.add_argument("--seconds", type=float, default=120.0, help="for all kinds together")
    parser.add_argument("--seed", type=int, default=None, help="of the first batch; drawn anew by default")
    parser.add_argument("--quiet", action="store_true", help="print finds only")
    asked = parser.parse_args(arguments)
    logging.getLogger("trainyard_trainer").addHandler(logging.NullHandler())  # warnings of odd inputs are no news here
    first = fresh_seed() if asked.seed is None else asked.seed
    return 1 if fuzz(list(asked.kinds), asked.seconds, first, quiet=asked.quiet) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

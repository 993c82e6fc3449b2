"""`python -m hack.mutate [operator] [PATTERN...]`: run all mutants, or those whose dotted name below the package fits.

Without `operator`, those of the trainer's mathematics. `python -m hack.mutate [operator] table` writes what the last
whole run found into docs/mutation.md. Everything else it writes lies in the cache of `hack.cluster.layout`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hack.cluster import layout
from hack.mutate.equivalent import CHANGES
from hack.mutate.results import Mutant, placed, read_mutants, rows, table
from hack.mutate.tree import ROOT, SCOPES, TRAINER, Scope, make_tree

LEAST_SHARE: Final = 0.9
PAGE: Final = ROOT / "docs/mutation.md"


def main(arguments: Sequence[str]) -> int:
    """Run mutants, or write the table; 0 where tests notice nine changes of ten."""
    parser = argparse.ArgumentParser(prog="python -m hack.mutate", description=__doc__)
    parser.add_argument("words", nargs="*", help="`operator`, then patterns or `table`")
    scope, rest = TRAINER, list(parser.parse_args(arguments).words)
    if rest and rest[0] in SCOPES:
        scope = SCOPES[rest.pop(0)]
    folder = layout.cache() / "mutate"
    tree = folder / scope.name
    if rest == ["table"]:
        return _write_table(scope, *read_mutants(tree / "mutants", scope.package))
    tools = _install(folder / "tools")
    make_tree(tree, scope)
    code = _mutmut(tree, tools, [f"{scope.package}.{pattern}" for pattern in rest])
    if code:
        return code
    mutants, left = read_mutants(tree / "mutants", scope.package)
    _show(mutants, whole=not left)
    return 0 if rows(mutants)[-1].share >= LEAST_SHARE else 1


def _install(folder: Path) -> Path:
    """Install mutmut beside the environment, not in it: nothing else needs it."""
    pinned = ROOT / "requirements/mutate.txt"
    command = ["pip", "install", "--quiet", "--python", sys.executable, "--require-hashes", "--target", str(folder)]
    subprocess.run([sys.executable, "-m", "uv", *command, "-r", str(pinned)], check=True)
    return folder


def _mutmut(tree: Path, tools: Path, names: Sequence[str]) -> int:
    environment = os.environ | {"PYTHONPATH": str(tools), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mutmut", "run", *names]
    return subprocess.run(command, cwd=tree, env=environment, check=False).returncode


def _show(mutants: Sequence[Mutant], *, whole: bool) -> None:
    for mutant in mutants:
        if not mutant.noticed and mutant.why is None:
            print(f"not noticed: {mutant.module}.{mutant.function}: {mutant.change}")
    if whole:
        made = {(mutant.module, mutant.change) for mutant in mutants if not mutant.noticed}
        modules = {mutant.module for mutant in mutants}
        for module, changes in CHANGES.items():
            for change in changes if module in modules else ():
                if (module, change) not in made:
                    print(f"no such change any more, or a test notices it: {module}: {change}")
    print(table(rows(mutants)))


def _write_table(scope: Scope, mutants: Sequence[Mutant], left: int) -> int:
    if left or not mutants:
        print(f"{left} mutants weren't run, {len(mutants)} were; run `make mutate` to its end first")
        return 1
    PAGE.write_text(placed(PAGE.read_text(), table(rows(mutants)), scope.name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

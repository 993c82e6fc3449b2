"""`python -m hack.generate` writes every generated file; `--check` says which ones aren't what their source gives.

Place in the data's way: before station 1. `--check` generates into a folder of its own and never touches the tree.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import tempfile
from pathlib import Path

from hack.generate.outputs import OWNED, ROOT, outputs

SHOWN_LINES = 20


def write(root: Path) -> None:
    """Writes every generated file below `root`."""
    for name, make in outputs().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make(), encoding="utf-8")


def differences(root: Path) -> list[str]:
    """Finds what is wrong with the generated files below `root`: one text for each file at fault."""
    with tempfile.TemporaryDirectory(prefix="trainyard-generate-") as folder:
        copy = Path(folder)
        write(copy)
        wrong = [_difference(copy / name, root / name, name) for name in outputs()]
    leftovers = {str(path.relative_to(root)) for pattern in OWNED for path in root.glob(pattern)} - outputs().keys()
    return [*filter(None, wrong), *(f"{name}: no generator makes this file any more" for name in sorted(leftovers))]


def _difference(fresh: Path, present: Path, name: str) -> str:
    if not present.is_file():
        return f"{name}: missing"
    expected, actual = fresh.read_text(encoding="utf-8"), present.read_text(encoding="utf-8")
    if expected == actual:
        return ""
    lines = list(
        difflib.unified_diff(actual.splitlines(), expected.splitlines(), name, f"{name} (generated)", lineterm="", n=1)
    )
    more = [f"... {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []
    return "\n".join([*lines[:SHOWN_LINES], *more])


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, or 1 where `--check` found a difference."""
    parser = argparse.ArgumentParser(prog="python -m hack.generate", description="Write every generated file.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs from its source")
    parser.add_argument("--root", type=Path, default=ROOT, help="where the files lie")
    options = parser.parse_args(arguments)
    if not options.check:
        write(options.root)
        print(f"{len(outputs())} files written")
        return 0
    wrong = differences(options.root)
    print("\n\n".join(wrong) if wrong else f"{len(outputs())} generated files are what their sources give")
    if wrong:
        print(f"\n{len(wrong)} of the generated files differ: run `make generate` and commit.", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

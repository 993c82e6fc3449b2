"""Compiles requirements/*.txt from pyproject.toml: exact versions with hashes, no index named.

Run by `make requirements`; it needs a package index, so `make verify` doesn't call it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SELECTIONS = {
    "dev": ["--all-extras", "--group", "dev"],  # first: the others are constrained to its versions
    "operator": ["--extra", "operator"],
    "trainer": ["--extra", "trainer"],
}


def main() -> None:
    """Compile each selection; operator and trainer get the very versions that the tests run with."""
    for name, selection in SELECTIONS.items():
        output = f"requirements/{name}.txt"
        constraint = [] if name == "dev" else ["--constraint", "requirements/dev.txt"]
        command = [
            *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
            *("--generate-hashes", "--no-emit-index-url", "--no-annotate", "--custom-compile-command"),
            *("make requirements", *selection, *constraint, "pyproject.toml", "--output-file", output),
        ]
        print(f"compiling {output}")
        subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    main()

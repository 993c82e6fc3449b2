"""Compiles requirements/*.txt from pyproject.toml: exact versions with hashes, no index named.

Run by `make requirements`; it needs a package index, so `make verify` doesn't call it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
DEV = "requirements/dev.txt"
SELECTIONS = {
    DEV: ["--all-extras", "--group", "dev", "pyproject.toml"],  # first: the others are constrained to its versions
    "requirements/operator.txt": ["--extra", "operator", "pyproject.toml"],
    "requirements/trainer.txt": ["--extra", "trainer", "pyproject.toml"],
    "requirements/mutate.txt": ["--group", "mutate"],
    "hack/images/tools.txt": ["hack/images/tools.in"],  # what builds the project inside an image
}


def main() -> None:
    """Compiles each selection; operator and trainer get the very versions that the tests run with."""
    for output, selection in SELECTIONS.items():
        constraint = [] if output == DEV else ["--constraint", DEV]
        command = [
            *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
            *("--generate-hashes", "--no-emit-index-url", "--no-annotate", "--custom-compile-command"),
            *("make requirements", *selection, *constraint, "--output-file", output),
        ]
        print(f"compiling {output}")
        subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    main()

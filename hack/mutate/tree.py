"""Copies what mutants are made from and what runs them into a folder of their own, with mutmut's settings.

The package lies at the copy's root, for mutmut names modules by their place, and `trainer_image` is no package.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
PACKAGE: Final = "trainyard_trainer"
MUTATED: Final = ("algorithms/*.py", "evaluation/*.py", "numbers.py")
TESTS: Final = ("algorithms", "evaluation", "test_numbers.py")
"""What mirrors them, below tests/trainyard_trainer."""
SLOW: Final = (
    "evaluation/test_significance.py::test_the_interval_covers_the_true_difference",
    "evaluation/test_significance.py::test_without_a_true_difference_it_seldom_says_improved",
    "evaluation/test_significance.py::test_a_true_difference_is_mostly_seen",
)
"""Hundreds of measurements each: what only they would notice counts as not noticed."""
UNTOUCHED: Final = (r"^\s*raise ValueError\(", r'^\s*f?"[^"]* [^"]*"\W*$')
"""Lines that hold nothing but the wording of a text."""
PLUGINS: Final = ("-p", "hack.mutate.quick", "-p", "no:cacheprovider", "-p", "no:xdist")
# They collect all garbage at the end of every session.
HURRIED: Final = ("-p", "no:unraisableexception", "-p", "no:threadexception")


def make_tree(folder: Path) -> None:
    """Make `folder` anew: package, tests, hack and settings."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    without = shutil.ignore_patterns("__pycache__")
    for source, name in ((f"trainer_image/{PACKAGE}", PACKAGE), ("tests", "tests"), ("hack", "hack")):
        shutil.copytree(ROOT / source, folder / name, ignore=without)
    project = (ROOT / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(f"{project}\n{settings()}")


def settings() -> str:
    """Write mutmut's settings as a table of TOML."""
    tests = f"tests/{PACKAGE}"
    chosen = [f"{tests}/{name}" for name in TESTS]
    chosen += [part for name in SLOW for part in ("--deselect", f"{tests}/{name}")]
    values: dict[str, object] = {
        "source_paths": [PACKAGE],
        "only_mutate": [f"{PACKAGE}/{pattern}" for pattern in MUTATED],
        "also_copy": ["hack"],
        "do_not_mutate_patterns": UNTOUCHED,
        "process_isolation": "forkserver",  # torch doesn't like to be forked once it has worked
        "pytest_add_cli_args": [*PLUGINS, *HURRIED],
        "pytest_add_cli_args_test_selection": [*chosen, "-m", "not (integration or learning or e2e or nightly)"],
        # A busy machine kills no mutant.
        "timeout_constant": 8.0,
        "timeout_multiplier": 4.0,
    }
    # JSON's lists, strings and numbers are TOML's too.
    return "\n".join(["[tool.mutmut]", *(f"{name} = {json.dumps(value)}" for name, value in values.items()), ""])

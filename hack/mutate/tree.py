"""Copies what mutants are made from and what runs them into a folder of their own, with mutmut's settings.

The package lies at the copy's root, for mutmut names modules by their place, and the folder around it is no package.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Scope:
    """Names what is mutated of a package, and which tests run against each mutant.

    Attributes:
        name: of the scope, as the command line has it.
        folder: in which the package lies.
        package: its name.
        mutated: patterns of modules, below the package.
        tests: files and folders below tests/.
        slow: tests that don't run; what only they would notice counts as not noticed.
    """

    name: str
    folder: str
    package: str
    mutated: tuple[str, ...]
    tests: tuple[str, ...]
    slow: tuple[str, ...] = ()


TRAINER: Final = Scope(
    "trainer",
    "trainer_image",
    "trainyard_trainer",
    ("algorithms/*.py", "evaluation/*.py", "numbers.py"),
    tuple(f"trainyard_trainer/{name}" for name in ("algorithms", "evaluation", "test_numbers.py")),
    # Hundreds of measurements each.
    tuple(
        f"trainyard_trainer/evaluation/test_significance.py::{name}"
        for name in (
            "test_the_interval_covers_the_true_difference",
            "test_without_a_true_difference_it_seldom_says_improved",
            "test_a_true_difference_is_mostly_seen",
        )
    ),
)
OPERATOR: Final = Scope(
    "operator",
    "operator",
    "trainyard_operator",
    ("trainingjob/*.py", "trainingjob/*/*.py", "checkpoint/*.py", "money/booking.py"),
    (
        "trainyard_operator/trainingjob",
        "trainyard_operator/checkpoint",
        "trainyard_operator/money",
        "claims/test_every_end_of_a_pod_is_told.py",
    ),
)
SCOPES: Final = {scope.name: scope for scope in (TRAINER, OPERATOR)}
UNTOUCHED: Final = (r"^\s*raise ValueError\(", r'^\s*f?"[^"]* [^"]*"\W*$')
"""Lines that hold nothing but the wording of a text."""
PLUGINS: Final = ("-p", "hack.mutate.quick", "-p", "no:cacheprovider", "-p", "no:xdist")
# They collect all garbage at the end of every session.
HURRIED: Final = ("-p", "no:unraisableexception", "-p", "no:threadexception")


def make_tree(folder: Path, scope: Scope) -> None:
    """Make `folder` anew: package, tests, hack and settings."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    without = shutil.ignore_patterns("__pycache__")
    for source, name in ((f"{scope.folder}/{scope.package}", scope.package), ("tests", "tests"), ("hack", "hack")):
        shutil.copytree(ROOT / source, folder / name, ignore=without)
    project = (ROOT / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(f"{project}\n{settings(scope)}")


def settings(scope: Scope) -> str:
    """Write mutmut's settings as a table of TOML."""
    chosen = [f"tests/{name}" for name in scope.tests]
    chosen += [part for name in scope.slow for part in ("--deselect", f"tests/{name}")]
    values: dict[str, object] = {
        "source_paths": [scope.package],
        "only_mutate": [f"{scope.package}/{pattern}" for pattern in scope.mutated],
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

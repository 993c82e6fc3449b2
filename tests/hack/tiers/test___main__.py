"""Every test is of one tier, and every end-to-end test is required."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from hack.tiers.__main__ import TIERS
from hack.tiers.counts import required_end_to_end
from hack.tiers.selection import files_of

ROOT = Path(__file__).parents[3]


def test_the_commands_run_their_tiers() -> None:
    """`make test` runs every tier but the nightly one, `make test-nightly` that one alone."""
    makefile = (ROOT / "Makefile").read_text()
    ran = dict(re.findall(r"^(test[a-z-]*):.*\n\t@\$\(RUN\) -m hack\.tiers (.*)$", makefile, re.MULTILINE))
    assert [*ran["test"].split(), "nightly"] == list(TIERS)
    assert ran["test-nightly"] == "nightly"
    assert "nightly" not in ran["test-fast"]


def end_to_end_tests(name: str) -> set[str]:
    """The tests of a module that are marked, but nightly ones, read without importing torch for it."""
    tree = ast.parse((ROOT / name).read_text())
    marks = " ".join(ast.unparse(node) for node in tree.body if isinstance(node, ast.Assign))
    if "mark.nightly" in marks:
        return set()
    whole = "mark.e2e" in marks
    module = name.removeprefix("tests/").removesuffix(".py").replace("/", ".")
    return {
        f"{module}::{node.name}"
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if whole or any("mark.e2e" in ast.unparse(mark) for mark in node.decorator_list)
        if not any("mark.nightly" in ast.unparse(mark) for mark in node.decorator_list)
    }


def test_every_required_end_to_end_test_exists() -> None:
    """The list names only tests that are there, and every test that is there is in the list."""
    there = set().union(*map(end_to_end_tests, files_of("e2e", ROOT)))
    assert required_end_to_end(ROOT / "tests/e2e/required.txt") == there

"""Measures how long files and functions are, and how many modules have a test module of their name and folder."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hack.house.checkout import FOLDERS, Module

LONG_FILE: Final = 150
"""Lines of a file that is as long as files should be."""
TESTED: Final = 20
"""Lines up to which a module needs no test module of its own."""


@dataclass(frozen=True)
class Sizes:
    """Lines of several things: the middle, the length that nine of ten don't exceed, and the largest, by name."""

    count: int
    median: int
    ninetieth: int
    largest: list[tuple[int, str]]


def sizes(lengths: Sequence[tuple[int, str]], largest: int = 5) -> Sizes:
    """Sums up lengths with their names; the median of an even number is the lower one of the two in the middle.

    Raises:
        ValueError: there is none.
    """
    if not lengths:
        raise ValueError("lengths: must hold at least one; got none")
    order = sorted(lengths, key=lambda one: (-one[0], one[1]))
    upward = sorted(length for length, _ in lengths)
    return Sizes(len(upward), _at(upward, 50), _at(upward, 90), order[:largest])


def _at(upward: Sequence[int], percent: int) -> int:
    """Returns the smallest length that at least so many percent don't exceed."""
    return upward[-(-percent * len(upward) // 100) - 1]


def file_lengths(modules: Sequence[Module]) -> list[tuple[int, str]]:
    """Returns lines and path of each file that isn't empty."""
    return [(module.lines, module.path) for module in modules if module.lines]


def function_lengths(modules: Sequence[Module]) -> list[tuple[int, str]]:
    """Returns lines without the docstring of each function, and its place."""
    return [
        (_length(function), f"{module.path}:{function.name}") for module in modules for function in module.functions
    ]


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    told = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    docstring = 0 if told is None else (told.end_lineno or told.lineno) - told.lineno + 1
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring


@dataclass(frozen=True)
class Mirrors:
    """Modules of more than 20 lines: how many, and which have no test module of their name in their folder.

    `misplaced` are those of them whose test module has the name, but lies in another folder.
    """

    count: int
    missing: list[str]
    misplaced: list[str]

    @property
    def share(self) -> float:
        """Returns the share of modules that are mirrored; 1 where there is no module."""
        return 1 - len(self.missing) / self.count if self.count else 1.0


def mirrors(root: Path, package: str, modules: Sequence[Module]) -> Mirrors:
    """Looks below `tests/<package>` for `test_<module>.py`, in the folder that the module has in its package."""
    tests = root / "tests" / package
    names = {path.name for path in tests.rglob("test_*.py")}
    asked = [module for module in modules if module.lines > TESTED]
    missing, misplaced = [], []
    for module in asked:
        inside = (root / module.path).relative_to(root / FOLDERS[package] / package)
        if not (tests / inside.parent / f"test_{inside.name}").is_file():
            missing.append(module.path)
            misplaced += [module.path] if f"test_{inside.name}" in names else []
    return Mirrors(len(asked), missing, misplaced)

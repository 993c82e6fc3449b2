"""Finds the four packages of a checkout, this one's or another's, and parses their modules once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parents[2]
FOLDERS: Final = {
    "trainyard_api": "crds",
    "trainyard_operator": "operator",
    "trainyard_trainer": "trainer_image",
    "hack": ".",
}
"""Each package, and the folder of a checkout that it lies in."""


@dataclass(frozen=True)
class Module:
    """A parsed module; `name` is dotted, `path` relative to the checkout."""

    name: str
    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """Counts its lines."""
        return len(self.text.splitlines())

    @property
    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Yields all functions and methods, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@dataclass(frozen=True)
class Checkout:
    """A checkout of the repository at `root`."""

    root: Path = HERE

    @cached_property
    def packages(self) -> dict[str, list[Module]]:
        """Maps each package that this checkout has to its modules, sorted by name."""
        found = {name: _modules(self.root, self.root / folder, name) for name, folder in FOLDERS.items()}
        return {name: modules for name, modules in found.items() if modules}

    @property
    def modules(self) -> list[Module]:
        """Returns the modules of all packages."""
        return [module for modules in self.packages.values() for module in modules]

    @property
    def product(self) -> list[Module]:
        """Returns the modules of what users run: all packages but `hack`."""
        return [module for name, modules in self.packages.items() if name != "hack" for module in modules]


def _modules(root: Path, above: Path, package: str) -> list[Module]:
    found = []
    for path in sorted((above / package).rglob("*.py")):
        parts = path.relative_to(above).with_suffix("").parts
        text = path.read_text(encoding="utf-8")
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, path.relative_to(root).as_posix(), text, ast.parse(text)))
    return found

"""Finds what each definition of a checkout names: the graph that a reader follows from one file into another.

A symbol is `module:name` or `module:Class.member`: a function, a class, a method, a field, or a constant of a module.
What is inside a function belongs to it. No code is run. Names are followed through imports, also those inside of
functions, and through modules that import a name in order to pass it on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hack.house.checkout import Module

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
Function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Names:
    """All symbols, each with its definition, and what every module imports.

    `imported` maps a module to its names of other places: a symbol `module:name`, or the name of a module.
    """

    modules: dict[str, Module]
    defined: dict[str, Definition] = field(default_factory=dict)
    imported: dict[str, dict[str, str]] = field(default_factory=dict)

    def find(self, module: str, name: str) -> str | None:
        """Returns the symbol or the module that a name of a module stands for; None for what isn't of the checkout."""
        seen: set[tuple[str, str]] = set()
        while (module, name) not in seen:
            seen.add((module, name))
            if f"{module}:{name}" in self.defined:
                return f"{module}:{name}"
            target = self.imported.get(module, {}).get(name)
            if target is None:
                whole = f"{module}.{name}"
                return whole if whole in self.modules else None
            if ":" not in target:
                return target
            module, _, name = target.partition(":")
        return None

    def resolve(self, target: str) -> str | None:
        """Returns where an import leads, by `find`."""
        module, colon, name = target.partition(":")
        return self.find(module, name) if colon else target

    def file(self, symbol: str) -> str:
        """Returns the path of the file that a symbol is defined in."""
        return self.modules[symbol.partition(":")[0]].path


def read(modules: Iterable[Module]) -> Names:
    """Reads all definitions and imports."""
    names = Names({module.name: module for module in modules})
    for module in names.modules.values():
        for node in _statements(module.tree.body):
            for name, definition in _defines(node):
                names.defined[f"{module.name}:{name}"] = definition
        names.imported[module.name] = imports_in(module.tree, module, names.modules, deep=False)
    return names


def imports_in(tree: ast.AST, module: Module, known: dict[str, Module], *, deep: bool = True) -> dict[str, str]:
    """Returns the names that a module's or a function's imports bind, as far as they are of the checkout.

    Args:
        tree: of the module or function.
        module: that it is part of.
        known: all modules by name.
        deep: whether imports inside of functions count.
    """
    body = ast.walk(tree) if deep else _statements(getattr(tree, "body", []))
    found: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.Import):
            whole = {each.asname or each.name.partition(".")[0]: each for each in node.names}
            found |= {name: each.name if each.asname else name for name, each in whole.items()}
        elif isinstance(node, ast.ImportFrom):
            source = _source(node, module)
            for each in node.names:
                inner = f"{source}.{each.name}"
                found[each.asname or each.name] = inner if inner in known else f"{source}:{each.name}"
    return {name: target for name, target in found.items() if target.partition(":")[0] in known}


def _source(node: ast.ImportFrom, module: Module) -> str:
    """Returns the absolute name of the module that is imported from."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".") + (["__init__"] if module.path.endswith("/__init__.py") else [])
    return ".".join([*parts[: -node.level], *([node.module] if node.module else [])])


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yields the statements of a module, also those under a condition."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            yield from _statements([*node.body, *getattr(node, "orelse", [])])


def _defines(node: ast.stmt) -> Iterator[tuple[str, Definition]]:
    """Yields what a statement defines; a class with its methods and fields."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name, node
    if isinstance(node, ast.ClassDef):
        for member in node.body:
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{node.name}.{member.name}", member
            elif isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
                yield f"{node.name}.{member.target.id}", member
    elif isinstance(node, ast.Assign):
        yield from ((target.id, node) for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id, node

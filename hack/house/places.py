"""Finds the definitions that name something: the edits that another thing of its kind needs."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from hack.house.checkout import Module


def places(modules: Iterable[Module], name: str) -> list[str]:
    """Returns `path:definition` of each function, method, class body or statement that names something, in order.

    A name counts as an identifier, an attribute, a keyword or a whole string; words of docstrings and comments don't.
    """
    return [f"{module.path}:{said}" for module in modules for said in _definitions(module.tree.body, name)]


def _definitions(body: Iterable[ast.stmt], name: str, inside: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]
            fields = [part for part in node.body if part not in methods]
            if any(_names(part, name) for part in (*fields, *node.bases, *node.decorator_list)):
                yield f"{inside}{node.name}"
            yield from _definitions(methods, name, f"{inside}{node.name}.")
        elif _names(node, name):
            yield inside + getattr(node, "name", f"line {node.lineno}")


def _names(part: ast.AST, name: str) -> bool:
    said = ("id", "attr", "arg", "name", "value")
    return any(getattr(node, each, None) == name for node in ast.walk(part) for each in said)

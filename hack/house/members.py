"""Says what members and results things have, as far as annotations and calls of classes tell."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator

from hack.house.symbols import Function, Names

Values = frozenset[str]
"""What an expression may be: symbols and modules; an instance of a class is written as `=` and the class."""
NOTHING: Values = frozenset()


class Members:
    """What follows from the definitions of a checkout.

    `fields` holds what `__init__` puts into the fields of each class; whoever reads bodies fills it.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.fields: dict[str, dict[str, Values]] = {}

    def member(self, value: str, name: str) -> Values:
        """Returns what `value.name` is: a symbol of a module, or a method or field of a class or its bases."""
        if value in self.names.modules:
            found = self.names.find(value, name)
            return NOTHING if found is None else frozenset({found})
        for owner in self.line(value.removeprefix("=")):
            if f"{owner}.{name}" in self.names.defined:
                return frozenset({f"{owner}.{name}"})
            if name in self.fields.get(owner, {}):
                return self.fields[owner][name]
        return NOTHING

    def result(self, value: str) -> Values:
        """Returns what a call of a value gives."""
        node = self.names.defined.get(value)
        if isinstance(node, ast.ClassDef):
            return frozenset({f"={value}"})
        if isinstance(node, Function):
            return self.annotated(node.returns, value.partition(":")[0])
        if value.startswith("="):
            called = self.member(value, "__call__")
            return NOTHING.union(*(self.result(each) for each in called))
        return NOTHING

    def read(self, value: str) -> Values:
        """Returns what a value is once it is read: fields and properties are what their annotations say."""
        node, module = self.names.defined.get(value), value.partition(":")[0]
        if isinstance(node, ast.AnnAssign):
            return self.annotated(node.annotation, module)
        if isinstance(node, Function) and any("property" in ast.unparse(each) for each in node.decorator_list):
            return self.annotated(node.returns, module)
        return frozenset({value})

    def annotated(self, annotation: ast.expr | None, module: str) -> Values:
        """Returns instances of all classes that an annotation names: of containers those of their elements, too."""
        if annotation is None:
            return NOTHING
        found: set[str] = set()
        for node in ast.walk(annotation):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                with contextlib.suppress(SyntaxError):  # the strings of a Literal needn't be annotations
                    found |= {
                        each.removeprefix("=")
                        for each in self.annotated(ast.parse(node.value, mode="eval").body, module)
                    }
            elif isinstance(node, ast.Name):
                found.add(self.names.find(module, node.id) or "")
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                owner = self.names.find(module, node.value.id)
                found |= self.member(owner, node.attr) if owner in self.names.modules else NOTHING
        return frozenset(f"={each}" for each in found if isinstance(self.names.defined.get(each), ast.ClassDef))

    def line(self, owner: str) -> Iterator[str]:
        """Yields a class and its bases of this checkout, nearest first."""
        node = self.names.defined.get(owner)
        if isinstance(node, ast.ClassDef):
            yield owner
            for base in node.bases:
                named = base.value if isinstance(base, ast.Subscript) else base
                found = self.names.find(owner.partition(":")[0], named.id) if isinstance(named, ast.Name) else None
                yield from self.line(found) if found is not None and found != owner else ()

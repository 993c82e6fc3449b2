"""Follows what a definition names, as a reader does who asks of each name where it comes from.

A name leads to its definition. An attribute leads to a member of the class that its owner is said to be: by the
annotation of a parameter, a field or a result, or by a call of the class. A method of a protocol or a base class leads
on to those that stand in its place. What no annotation says isn't followed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

from hack.house.members import Members
from hack.house.scope import Scope
from hack.house.symbols import Definition, Function, Names


class Reader:
    """Answers what each symbol of a checkout leads to."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.named_by = cache(self._named_by)
        self._methods = cache(self._methods_of)
        self._members = Members(names)
        self._classes = [symbol for symbol, node in names.defined.items() if isinstance(node, ast.ClassDef)]
        for _ in range(2):  # a field may be what another class's field is
            for owner in self._classes:
                made = names.defined.get(f"{owner}.__init__")
                if made is not None:
                    self._members.fields[owner] = Scope(self._members, _module(owner), owner, made).fields(made)

    def _named_by(self, symbol: str) -> list[str]:
        """Returns the symbols that a definition names, sorted; those that stand in the place of a method, too."""
        node = self.names.defined[symbol]
        scope = Scope(self._members, _module(symbol), self._owner(symbol), node)
        found = set(self._in_place_of(symbol))
        for part in _own_parts(node):
            found |= {each for each in scope.touched(part) if each in self.names.defined}
        if isinstance(node, ast.ClassDef):
            made = (f"{symbol}.{name}" for name in ("__init__", "__post_init__"))
            found |= {each for each in made if each in self.names.defined}
        return sorted(found - {symbol})

    def _owner(self, symbol: str) -> str | None:
        """Returns the class of a method; None for other symbols."""
        owner, dot, _ = symbol.rpartition(".")
        return owner if dot and isinstance(self.names.defined.get(owner), ast.ClassDef) else None

    def _methods_of(self, owner: str) -> frozenset[str]:
        """Returns names of all methods of a class and its bases."""
        bodies = (self.names.defined[each] for each in self._members.line(owner))
        return frozenset(
            member.name for body in bodies if isinstance(body, ast.ClassDef) for member in body.body
            if isinstance(member, Function)
        )  # fmt: skip

    def _in_place_of(self, symbol: str) -> Iterator[str]:
        """Yields the methods that are called where a protocol's or a base class's is named."""
        owner, name = self._owner(symbol), symbol.rpartition(".")[2]
        if owner is None or not isinstance(self.names.defined[symbol], Function):
            return
        protocol = self._is_protocol(owner)
        for other in self._classes:
            fits = protocol and not self._is_protocol(other) and self._methods(owner) <= self._methods(other)
            if other != owner and (fits or owner in self._members.line(other)):
                yield from self._members.member(other, name) & self.names.defined.keys()

    def _is_protocol(self, owner: str) -> bool:
        node = self.names.defined[owner]
        return isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases)


def _own_parts(node: Definition) -> Iterator[ast.AST]:
    """Yields what belongs to a definition itself: of a class all but its methods."""
    if isinstance(node, ast.ClassDef):
        yield from (*node.bases, *node.decorator_list)
        yield from (part for part in node.body if not isinstance(part, Function))
    else:
        yield node


def _module(symbol: str) -> str:
    return symbol.partition(":")[0]

"""Says what expressions may be inside one definition, from its parameters, its imports and what is bound in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hack.house.members import NOTHING, Members, Values
from hack.house.symbols import Definition, Function, imports_in


class Scope:
    """What names mean inside a definition."""

    def __init__(self, members: Members, module: str, owner: str | None, node: Definition) -> None:
        self._members, self._module = members, module
        names = members.names
        self._imported = imports_in(node, names.modules[module], names.modules) if isinstance(node, Function) else {}
        self._local: dict[str, Values] = {}
        if isinstance(node, Function):
            for function in (each for each in ast.walk(node) if isinstance(each, (*Function, ast.Lambda))):
                said = function.args
                for each in (*said.posonlyargs, *said.args, *said.kwonlyargs, said.vararg, said.kwarg):
                    if each is not None:
                        self._local[each.arg] = members.annotated(each.annotation, module)
            if owner is not None:
                self._local |= {"self": frozenset({f"={owner}"}), "cls": frozenset({owner})}
            for _ in range(2):  # what is bound late may be used early, in a function inside
                self._bind(node)

    def values(self, node: ast.expr) -> Values:
        """Returns what an expression may be."""
        found = NOTHING
        match node:
            case ast.Name(id=name):
                found = self._named(name)
            case ast.Attribute():
                found = NOTHING.union(*(self._members.read(each) for each in self.touched_by(node)))
            case ast.Call(func=func):
                found = NOTHING.union(*(self._members.result(each) for each in self.values(func)))
            case ast.Await(value=one) | ast.Subscript(value=one) | ast.Starred(value=one) | ast.NamedExpr(value=one):
                found = self.values(one)
            case ast.IfExp(body=one, orelse=other):
                found = self.values(one) | self.values(other)
            case ast.BoolOp(values=several):
                found = NOTHING.union(*map(self.values, several))
        return found

    def touched_by(self, node: ast.Attribute) -> Values:
        """Returns the members that an attribute may be."""
        return NOTHING.union(*(self._members.member(each, node.attr) for each in self.values(node.value)))

    def touched(self, part: ast.AST) -> Iterator[str]:
        """Yields every symbol that is named in a part of a definition."""
        for node in ast.walk(part):
            if isinstance(node, ast.Name) and node.id not in self._local:
                yield self._found(node.id) or ""
            elif isinstance(node, ast.Attribute):
                yield from self.touched_by(node)

    def fields(self, node: ast.AST) -> dict[str, Values]:
        """Returns what is put into the fields of `self`."""
        found: dict[str, Values] = {}
        for part in ast.walk(node):
            if isinstance(part, ast.Assign | ast.AnnAssign) and part.value is not None:
                for target in part.targets if isinstance(part, ast.Assign) else [part.target]:
                    if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                        found[target.attr] = self.values(part.value)
        return found

    def _named(self, name: str) -> Values:
        if name in self._local:
            return self._local[name]
        found = self._found(name)
        return NOTHING if found is None else self._members.read(found)

    def _found(self, name: str) -> str | None:
        """Returns what a name means that isn't bound here, by an import inside the function or by the module."""
        names, target = self._members.names, self._imported.get(name)
        return names.find(self._module, name) if target is None else names.resolve(target)

    def _bind(self, node: ast.AST) -> None:
        for part in ast.walk(node):
            match part:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self._set(target, self.values(value))
                case ast.AnnAssign(target=target, annotation=annotation):
                    self._set(target, self._members.annotated(annotation, self._module))
                case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
                    self._set(target, self.values(value))
                case ast.comprehension(target=target, iter=value):
                    self._set(target, self.values(value))
                case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                    self._set(target, self.values(value))

    def _set(self, target: ast.expr, value: Values) -> None:
        for each in ast.walk(target) if isinstance(target, ast.Tuple | ast.List | ast.Name) else ():
            if isinstance(each, ast.Name):
                self._local[each.id] = value

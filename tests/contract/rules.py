"""Every rule of a kind's schema, and for each a manifest that breaks that rule.

The list comes from the schema itself. Bounds are broken by construction; a CEL rule needs an entry in
`cel_breaks.py`, or its test fails.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]
Path = tuple[str | int, ...]
BOUNDS = (
    *("type", "enum", "pattern", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum"),
    *("maxProperties", "required", "format", "x-kubernetes-list-map-keys", "x-kubernetes-validations"),
)
WRONG_TYPE = {"string": 7, "integer": "seven", "boolean": "yes", "object": "text", "array": "text"}


@dataclass(frozen=True)
class Rule:
    """One rule: where it stands (`[]` an item, `{}` a value of a map), which keyword, and what it demands."""

    path: tuple[str, ...]
    keyword: str
    demand: Any
    node: Body

    @property
    def id(self) -> str:
        """Name of its test."""
        demand = self.demand
        if self.keyword == "x-kubernetes-validations":
            return f"{'.'.join(self.path) or 'root'} {demand.get('fieldPath', '')} {demand['message']}"
        return f"{'.'.join(self.path)} {self.keyword}" + (f" {demand}" if self.keyword == "required" else "")


@dataclass(frozen=True)
class Broken:
    """A manifest that breaks one rule, the field that the error must name and words that it must hold."""

    body: Body
    field: str
    words: str


def rules(node: Body, path: tuple[str, ...] = ()) -> Iterator[Rule]:
    """All rules of a schema, outermost first."""
    for keyword in BOUNDS:
        if keyword not in node or (keyword == "type" and not path):
            continue
        demand = node[keyword]
        if keyword == "format" and demand in ("int32", "int64"):
            continue  # says nothing that maximum doesn't
        several = isinstance(demand, list) and keyword in ("required", "x-kubernetes-validations")
        for each in demand if several else [demand]:
            yield Rule(path, keyword, each, node)
    for name, child in node.get("properties", {}).items():
        if path or name in ("spec", "status"):
            yield from rules(child, (*path, name))
    if "items" in node:
        yield from rules(node["items"], (*path, "[]"))
    if "additionalProperties" in node:
        yield from rules(node["additionalProperties"], (*path, "{}"))


def locate(body: Any, path: tuple[str, ...]) -> Path | None:
    """The first place in a manifest that a rule's path leads to."""
    if not path:
        return ()
    step, rest = path[0], path[1:]
    keys: list[str | int] = [step]
    if step == "[]":
        keys = list(range(len(body))) if isinstance(body, list) else []
    elif step == "{}":
        keys = list(body) if isinstance(body, dict) else []
    for key in keys:
        if isinstance(key, int) or (isinstance(body, dict) and key in body):
            found = locate(body[key], rest)
            if found is not None:
                return (key, *found)
    return None


def at(body: Any, path: Path) -> Any:
    """The value at a place."""
    for key in path:
        body = body[key]
    return body


def replaced(body: Body, path: Path, value: Any) -> Body:
    """A copy with another value at a place."""
    result = copy.deepcopy(body)
    at(result, path[:-1])[path[-1]] = value
    return result


def field_path(path: Path) -> str:
    """A place as the API server writes it."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def break_bound(rule: Rule, bases: list[Body]) -> Broken:
    """A manifest that breaks a rule other than CEL.

    Raises:
        LookupError: no base manifest holds the field; the bases must cover every field.
    """
    base, where = next(
        ((base, where) for base in bases if (where := locate(base, rule.path)) is not None), (None, None)
    )
    if base is None or where is None:
        raise LookupError(f"no base manifest holds {'.'.join(rule.path)}: add it")
    value, demand = at(base, where), rule.demand
    if rule.keyword == "required":
        body = copy.deepcopy(base)
        del at(body, where)[demand]
        return Broken(body, field_path((*where, demand)), "Required value")
    make, words = _WRONG[rule.keyword]
    wrong = make(rule, value)
    words = words.format(demand=demand, type=rule.node.get("format", demand) if demand == "string" else demand)
    field = field_path((*where, len(value))) if rule.keyword == "x-kubernetes-list-map-keys" else field_path(where)
    return Broken(replaced(base, where, wrong), field, words)


def _unmatched(node: Body) -> str:
    low, high = node.get("minLength", 0), node["maxLength"]
    candidates = ["!", " ", "\0", "no\tmatch", "é é", "!" * max(low, 1), ""]
    return next(text for text in candidates if not re.search(node["pattern"], text) and low <= len(text) <= high)


def _numbered(item: Any, number: int, node: Body) -> Any:
    keys = node.get("x-kubernetes-list-map-keys", [])
    return item | {key: f"{item[key]}{_letters(number)}" for key in keys} if isinstance(item, dict) else item


def _letters(number: int) -> str:
    return chr(ord("a") + number // 26) + chr(ord("a") + number % 26)


# Keyword → (a value that breaks it, from the rule and a legal value; what the API server then says of the demand).
_WRONG: dict[str, tuple[Callable[[Rule, Any], Any], str]] = {
    "type": (lambda rule, _: WRONG_TYPE[rule.demand], "must be of type {type}"),
    "enum": (lambda *_: "Nonsense", "Unsupported value"),
    "pattern": (lambda rule, _: _unmatched(rule.node), "should match"),
    "minLength": (lambda *_: "", "should be at least {demand} chars long"),
    "maxLength": (lambda rule, value: value + value[-1] * rule.demand, "may not be more than {demand} bytes"),
    "minItems": (lambda *_: [], "should have at least {demand} items"),
    "maxItems": (
        lambda rule, value: [_numbered(value[0], number, rule.node) for number in range(rule.demand + 1)],
        "at most {demand} items",
    ),
    "minimum": (lambda rule, _: rule.demand - 1, "greater than or equal to {demand}"),
    "maximum": (lambda rule, _: rule.demand + 1, "less than or equal to {demand}"),
    "maxProperties": (
        lambda rule, _: {f"k{number}": "v" for number in range(rule.demand + 1)},
        "at most {demand} items",
    ),
    "format": (lambda *_: "yesterday", "must be of type {demand}"),
    "x-kubernetes-list-map-keys": (lambda _, value: [*value, value[0]], "Duplicate value"),
}

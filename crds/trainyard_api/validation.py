"""What is wrong with a manifest: one line per fault, `<field path>: <rule>; got <value>`.

Place in the data's way: station 1 where there is no API server (`python -m trainyard_trainer run`, tests), and station
2 where an object was stored under older rules. Words only; what follows from a fault is the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trainyard_api.fields import ApiModel
from trainyard_api.rules import BROKEN_RULE

MAX_SHOWN = 120
"""Most characters of a value that a message repeats."""

_RULES = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this API",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_long": "must have at most {max_length} items",
    "too_short": "must have at least {min_length} items",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_type": "must be a string (quote it)",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of at most 64 bits",
    "finite_number": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be a map",
    "mapping_type": "must be a map",
    "model_type": "must be a map",
    "model_attributes_type": "must be a map",
    "list_type": "must be a list",
}


def explain(error: ValidationError) -> list[str]:
    """Writes one line per fault, in the order of the fields; at least one."""
    return [_line(fault) for fault in error.errors(include_url=False)]


def field_path(parts: Iterable[int | str]) -> str:
    """Writes the path of a field as kubectl does: `spec.task.rewards[0].weight`; odd names are cut and escaped."""
    path = ""
    for part in parts:
        if part == "[key]":
            continue
        name = part if isinstance(part, int) else _cut(_on_one_line(part[: MAX_SHOWN + 1]))
        path += f"[{name}]" if isinstance(part, int) else f".{name}" if path else str(name)
    return path or "manifest"


def _line(fault: ErrorDetails) -> str:
    context = fault.get("ctx", {})
    if fault["type"] == BROKEN_RULE:
        path = field_path([*fault["loc"], *filter(None, context["field"].split("."))])
        return f"{path}: {context['message']}; got {shown(context['got'])}"
    known = _RULES.get(fault["type"])
    # What pydantic says of other faults may hold braces of the value.
    rule = _on_one_line(f"is invalid: {fault['msg']}") if known is None else known.format_map(context)
    got = "nothing" if fault["type"] == "missing" else shown(fault["input"])
    return f"{field_path(fault['loc'])}: {rule}; got {got}"


def shown(value: Any) -> str:
    """Writes a value as JSON for a message, cut to `MAX_SHOWN` characters; `nothing` for an absent one.

    Any value whatever can be shown: one that holds itself, keys that JSON hasn't, characters that a terminal obeys.
    """
    if value is None:
        return "nothing"
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) > MAX_SHOWN:
            break
    return _cut(text)


def _pieces(value: Any) -> Iterator[str]:
    """Writes the JSON of a value piece by piece, one before each level: no reader goes deeper than is shown."""
    match value:
        case str():
            yield _on_one_line(json.dumps(value[: MAX_SHOWN + 1], ensure_ascii=False))
        case None | bool() | float():
            yield json.dumps(value)
        case int():
            yield str(value) if abs(value) < 2**256 else f"a number of {value.bit_length()} bits"
        case Mapping():
            yield "{"
            for number, (key, member) in enumerate(value.items()):
                yield ", " if number else ""
                yield from _pieces(key)
                yield ": "
                yield from _pieces(member)
            yield "}"
        case list() | tuple():
            yield "["
            for number, item in enumerate(value):
                yield ", " if number else ""
                yield from _pieces(item)
            yield "]"
        case ApiModel():
            yield from _pieces(value.to_wire())
        case date():
            yield f'"{value.isoformat()}"'
        case _:
            yield f"a value of type {type(value).__name__}"


def _on_one_line(text: str) -> str:
    """Escapes each character that isn't printed: breaks, control characters, halves of pairs."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"

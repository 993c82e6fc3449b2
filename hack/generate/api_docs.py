"""The reference of both kinds, as Markdown: every field with its type, bounds, default and description.

Place in the data's way: beside station 1. Says what the schema says; nothing is explained here that isn't there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hack.generate.crd import KINDS, NOTICE
from hack.generate.schema import structural_schema

JsonSchema = dict[str, Any]
_BOUNDS = {
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "minLength": "≥ {} characters",
    "maxLength": "≤ {} characters",
    "minItems": "≥ {} items",
    "maxItems": "≤ {} items",
    "maxProperties": "≤ {} keys",
    "pattern": "`{}`",
}


def api_reference() -> str:
    """Writes the text of docs/api.md."""
    parts = [f"<!-- {NOTICE} -->", "# API reference", ""]
    for kind in KINDS:
        schema = structural_schema(kind)
        names = kind.names
        parts += [f"## {names.kind}", "", schema["description"], ""]
        parts += [f"`kubectl get {names.plural}` (`{names.short_names[0]}`) shows:", "", *_columns(kind.columns), ""]
        parts += _rules(schema)
        for field in ("spec", "status"):
            parts += _objects(schema["properties"][field], field)
    return "\n".join(parts).rstrip() + "\n"


def _columns(columns: tuple[Any, ...]) -> list[str]:
    rows = [
        f"| {column.name.upper()}{' (wide)' if column.priority else ''} | `{column.json_path}` | {column.description} |"
        for column in columns
    ]
    return ["| column | from | |", "|---|---|---|", *rows]


def _objects(schema: JsonSchema, path: str) -> Iterator[str]:
    """Writes a section for an object, then one for each object in it."""
    yield from [f"### {path}", "", schema["description"], "", "| field | type | description |", "|---|---|---|"]
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        needed = ", required" if name in required else ""
        yield f"| `{name}` | {_cell(_type(field) + needed)} | {_cell(field['description'])} |"
    yield ""
    yield from _rules(schema)
    for name, field in schema["properties"].items():
        member = field.get("items", field)
        if "properties" in member:
            yield from _objects(member | {"description": field["description"]}, _child(path, name, field))


def _child(path: str, name: str, field: JsonSchema) -> str:
    return f"{path}.{name}" + ("[]" if "items" in field else "")


def _type(field: JsonSchema) -> str:
    member: JsonSchema = field.get("items") or field.get("additionalProperties") or field
    name = {"array": "list of {}", "object": "map of {}" if "additionalProperties" in field else "{}"}.get(
        field["type"], "{}"
    )
    kind = " \\| ".join(member["enum"]) if "enum" in member else member["type"]
    bounds = [text.format(field[key]) for key, text in _BOUNDS.items() if key in field]
    if isinstance(field.get("default"), str | int):
        bounds.append(f"default {field['default']}")
    return ", ".join([name.format(kind), *bounds])


def _rules(schema: JsonSchema) -> list[str]:
    lines = [
        f"- {entry.get('fieldPath', '').lstrip('.')} {entry['message']}".replace("-  ", "- ")
        for entry in schema.get("x-kubernetes-validations", [])
    ]
    return ["Rules:", "", *lines, ""] if lines else []


def _cell(text: str) -> str:
    return text.replace("\\|", "|").replace("|", "\\|")

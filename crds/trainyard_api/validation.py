"""What is wrong with a manifest: one line per fault, `<field path>: <rule>; got <value>`.

Place in the data's way: station 1 where there is no API server (`python -m trainyard_trainer run`, tests), and station
2 where an object was stored under older rules. Words only; what follows from a fault is the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trainyard_api.rules import BROKEN_RULE
from trainyard_api.training_job import TrainingJob

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
    "bool_type": "must be true or false",
    "dict_type": "must be a map",
    "model_type": "must be a map",
    "list_type": "must be a list",
}


def check_manifest(body: dict[str, Any]) -> TrainingJob:
    """The TrainingJob of a manifest, as strictly as `kubectl apply` reads it: no unknown field, no converted type.

    Raises:
        pydantic.ValidationError: it breaks a rule; `explain` says which.
    """
    return TrainingJob.model_validate_json(json.dumps(body, default=str), strict=True, extra="forbid")


def explain(error: ValidationError) -> list[str]:
    """One line per fault, in the order of the fields; at least one."""
    return [_line(fault) for fault in error.errors(include_url=False)]


def field_path(parts: Iterable[int | str]) -> str:
    """The path of a field as kubectl writes it: `spec.task.rewards[0].weight`."""
    path = ""
    for part in parts:
        if part == "[key]":
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path or "manifest"


def _line(fault: ErrorDetails) -> str:
    context = fault.get("ctx", {})
    if fault["type"] == BROKEN_RULE:
        path = field_path([*fault["loc"], *filter(None, context["field"].split("."))])
        return f"{path}: {context['message']}; got {shown(context['got'])}"
    rule = _RULES.get(fault["type"], fault["msg"]).format_map(context)
    got = "nothing" if fault["type"] == "missing" else shown(fault["input"])
    return f"{field_path(fault['loc'])}: {rule}; got {got}"


def shown(value: Any) -> str:
    """A value as a message repeats it: as JSON, cut to `MAX_SHOWN` characters; `nothing` for an absent one."""
    if value is None:
        return "nothing"
    wire = value.to_wire() if hasattr(value, "to_wire") else value
    text = json.dumps(wire, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"

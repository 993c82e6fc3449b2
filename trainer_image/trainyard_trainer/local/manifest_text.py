"""A manifest's file as kubectl reads it: JSON or YAML, one document or several.

Place in the data's way: station 1, where there is no API server. The bytes of a file become the JSON values that
`kubectl apply` would send.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from trainyard_trainer.local.yaml_values import MAX_DEPTH, TOO_DEEP, lenient, yaml_value

_JSON_BLANKS = " \t\r\n"
_BOM = "\ufeff"
_GUESSED_FROM = 4096
"""Characters at the beginning among which a brace must be the first that is no blank, for a file to be read as JSON."""


def documents(data: bytes) -> list[Any]:
    """Parses the documents of a file that aren't empty, as JSON values.

    Raises:
        yaml.YAMLError: one is neither JSON nor YAML; says where.
    """
    found: list[Any] = []
    text = _decoded(data)
    rest: str | None = text
    if text[:_GUESSED_FROM].lstrip().startswith("{"):
        rest = _json_documents(text, found)
    if rest is not None:
        found += [yaml_value(part, line) for part, line in _parts(rest)]
    return [document for document in found if document is not None]


def _decoded(data: bytes) -> str:
    """Decodes a file as UTF-8, or as UTF-16 where its first bytes say so; what is neither becomes U+FFFD."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    return lenient(data).removeprefix(_BOM)


def _json_documents(text: str, found: list[Any]) -> str | None:
    """Appends the JSON values at the start to `found` and returns the rest for YAML; None where nothing is left."""
    at, decoder = 0, json.JSONDecoder(parse_int=_integer, parse_float=_finite, parse_constant=_no_constant)
    while True:
        begin = len(text) - len(text[at:].lstrip(_JSON_BLANKS))
        if begin == len(text):
            return None
        try:
            value, at = decoder.raw_decode(text, begin)
        except RecursionError:
            raise yaml.YAMLError(TOO_DEEP) from None
        except json.JSONDecodeError as error:
            rest = re.sub(r"\A[^\S\n]+", "", text[at:])
            # Kubectl looks four bytes ahead before it goes over from JSON to YAML.
            if len(found) > 1 or len(rest.encode()) < 4:
                raise yaml.YAMLError(f"{error.msg} at line {error.lineno}") from error
            return rest.removeprefix("\n")
        found.append(_repaired(value))


def _integer(digits: str) -> int | float:
    """Reads an integer of 64 bits, or a float."""
    value = float(digits) if len(digits) > 400 else int(digits)
    return value if -(2**63) <= value < 2**63 else _finite(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise yaml.YAMLError(f"{digits[:40]} is beyond all numbers")
    return value


def _no_constant(name: str) -> None:
    raise json.JSONDecodeError(f"{name} is no JSON", name, 0)


def _repaired(value: Any, depth: int = 0) -> Any:
    """Replaces each half of a surrogate pair in a value by U+FFFD."""
    if depth > MAX_DEPTH:
        raise yaml.YAMLError(TOO_DEEP)
    match value:
        case str():
            return re.sub("[\ud800-\udfff]", "\ufffd", value)
        case list():
            return [_repaired(item, depth + 1) for item in value]
        case dict():
            return {_repaired(key): _repaired(item, depth + 1) for key, item in value.items()}
        case _:
            return value


def _parts(text: str) -> Iterator[tuple[str, int]]:
    """Splits a text at lines that begin with `---`; yields each part with the number of lines before it."""
    part: list[str] = []
    begin = 0
    for number, line in enumerate(text.removesuffix("\n").split("\n")):
        if line.startswith("---"):
            if not re.match(r"\s*(#|$)", line[3:]):
                raise yaml.YAMLError(f"line {number + 1}: nothing but a comment may follow ---")
            if part:
                yield "".join(part), begin
                part, begin = [], number + 1
                continue
        part.append(line.removesuffix("\r") + "\n")
    if part:
        yield "".join(part), begin

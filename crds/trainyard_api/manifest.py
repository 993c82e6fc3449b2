"""A TrainingJob's manifest as `kubectl apply --validate=strict` takes or refuses it.

Place in the data's way: station 1 where there is no API server. The spec's rules are those of the kind; here stands
what kubectl and the API server do before they look at it. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidatorFunctionWrapHandler, WrapValidator

from trainyard_api.fields import NEW_MANIFEST
from trainyard_api.object_meta import ManifestMeta
from trainyard_api.rules import broken
from trainyard_api.training_job import TrainingJob
from trainyard_api.training_job_status import TrainingJobStatus

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_HALVES = re.compile("[\ud800-\udfff]")
# What Go escapes for the sake of web pages, and its length.
_ESCAPED = {"<": 6, ">": 6, "&": 6, "\u2028": 6, "\u2029": 6}


def _dropped(status: Any, handler: ValidatorFunctionWrapHandler) -> None:
    """Refuses names that the status hasn't; the API server drops the rest, whatever it is."""
    del handler
    for path, value in _unknown(status, TrainingJobStatus):
        raise broken("is not a field of this API", value, path)


class Manifest(TrainingJob):
    """What is asked for, with nothing assumed that a manifest must say."""

    api_version: Literal["trainyard.dev/v1alpha1"]
    """Version of the API."""
    kind: Literal["TrainingJob"]
    """TrainingJob."""
    metadata: ManifestMeta
    """All metadata."""
    status: Annotated[TrainingJobStatus | None, WrapValidator(_dropped)] = None
    """Absent."""


def check_manifest(body: dict[str, Any], *, stored: bool = False) -> Manifest:
    """Reads a TrainingJob as strictly as `kubectl apply` does: no unknown field, no converted type.

    Args:
        body: the manifest.
        stored: whether it was applied before, so that values are read under former names too.

    Raises:
        pydantic.ValidationError: it breaks a rule; `validation.explain` says which.
    """
    plain = _plain(body)
    # Of metadata kubectl reads the text itself, for which 5.0 is no whole number; the server reads the rest.
    sent = {name: _sent(value, whole=name != "metadata") for name, value in plain.items() if value is not None}
    return Manifest.model_validate_json(
        json.dumps(sent, default=str),
        strict=True,
        extra="forbid",
        by_alias=True,
        by_name=False,
        context={NEW_MANIFEST: not stored, "annotations_bytes": _annotations_bytes(plain)},
    )


def _plain(value: Any) -> Any:
    """Makes a value one of JSON: keys become texts, a half of a surrogate pair U+FFFD."""
    match value:
        case dict():
            return {_plain(str(key)): _plain(member) for key, member in value.items()}
        case list():
            return [_plain(item) for item in value]
        case str():
            return _HALVES.sub("\ufffd", value)
        case _:
            return value


def _sent(value: Any, *, whole: bool) -> Any:
    """Returns a value as kubectl sends it: without members that are null, with whole numbers as integers if `whole`."""
    match value:
        case dict():
            return {key: _sent(member, whole=whole) for key, member in value.items() if member is not None}
        case list():
            return [_sent(item, whole=whole) for item in value]
        case float() if whole and value.is_integer():
            return int(value)
        case _:
            return value


def _annotations_bytes(body: dict[str, Any]) -> int:
    """Counts the bytes of all annotations and of the manifest's copy that kubectl adds; 0 where they are no texts."""
    metadata = body.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    found = metadata.get("annotations") or {}
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        return 0
    others = {key: text for key, text in found.items() if key != _LAST_APPLIED}
    copy = body | {"metadata": {"namespace": "default"} | metadata | {"annotations": others}}
    text = json.dumps(copy, ensure_ascii=False, separators=(",", ":"), default=str) + "\n"
    escapes = sum(text.count(character) * (length - _bytes(character)) for character, length in _ESCAPED.items())
    return _bytes(text) + escapes + sum(_bytes(key) + _bytes(text) for key, text in others.items()) + len(_LAST_APPLIED)


def _bytes(text: str) -> int:
    return len(text.encode())


def _unknown(value: Any, annotation: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Finds the members of a value that its type has no name for: what the API server prunes."""
    kinds = list(_kinds(annotation))
    model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
    if isinstance(value, list):
        items = next((get_args(kind)[0] for kind in kinds if get_origin(kind) is list), None)
        for number, item in enumerate(value):
            yield from _unknown(item, items, f"{path}[{number}]")
    elif isinstance(value, dict):
        fields = {field.alias: field.annotation for field in model.model_fields.values()} if model else {}
        values = next((get_args(kind)[1] for kind in kinds if get_origin(kind) is dict), None)
        for name, member in value.items():
            here = f"{path}.{name}" if path else name
            if name in fields or values is not None:
                yield from _unknown(member, fields.get(name, values), here)
            else:
                yield here, member


def _kinds(annotation: Any) -> Iterator[Any]:
    """Finds the types of a union, or the one that an annotation stands on."""
    if isinstance(annotation, type) or get_origin(annotation) in (list, dict):
        yield annotation
    elif get_origin(annotation) is Annotated:
        yield from _kinds(get_args(annotation)[0])
    else:
        for part in get_args(annotation):
            yield from _kinds(part)

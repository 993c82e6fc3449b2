"""The manifest of a local run: read, checked, and refused in one line per fault.

Place in the data's way: station 1, where there is no API server. What `kubectl apply --validate=strict` takes is taken,
what it refuses is refused; only a file of several objects and a few oddities of YAML, which kubectl takes, have no
place here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from trainyard_api.manifest import check_manifest
from trainyard_api.termination import TerminationReason
from trainyard_api.training_job import TrainingJob
from trainyard_api.validation import explain, shown
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.local.manifest_text import documents

FIELD: Final = "MANIFEST"
MAX_BYTES: Final = 2**20
"""Longest file that is read; as JSON, which kubectl keeps in an annotation, it may have a quarter of that."""
MAX_FAULTS: Final = 100
"""Most faults that are told of one manifest."""


def read_manifest(path: Path, *, stored: bool = False) -> TrainingJob:
    """Reads the TrainingJob in a YAML or JSON file; every fault in it has its line.

    Args:
        path: the file.
        stored: whether a run of it was begun before, so that values are read under former names too.

    Raises:
        RefusedError: INVALID_MANIFEST.
    """
    data = _content(path)
    try:
        found = documents(data)
    except yaml.YAMLError as error:
        raise _unfit(path, f"must be YAML or JSON; {_problem(error)}") from error
    if len(found) != 1:
        raise _unfit(path, f"must hold one TrainingJob, not {len(found)} documents")
    return _checked(path, found[0], stored=stored)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise _unfit(path, f"must be a file that can be read: {why}") from error
    if len(data) > MAX_BYTES:
        raise _unfit(path, f"must have at most {MAX_BYTES} bytes")
    return data


def _checked(path: Path, body: Any, *, stored: bool) -> TrainingJob:
    if not isinstance(body, dict):
        raise _unfit(path, f"must hold a map, not {shown(body)}")
    if "items" in body:
        raise _unfit(path, "must hold one TrainingJob, not a list of objects")
    try:
        return check_manifest(body, stored=stored)
    except ValidationError as error:
        lines = explain(error)
        more = [f"and {len(lines) - MAX_FAULTS} more"] if len(lines) > MAX_FAULTS else []
        raise RefusedError(TerminationReason.INVALID_MANIFEST, "\n".join([*lines[:MAX_FAULTS], *more])) from error


def _unfit(path: Path, rule: str) -> RefusedError:
    return RefusedError(TerminationReason.INVALID_MANIFEST, rule, field_path=FIELD, value=str(path))


def _problem(error: yaml.YAMLError) -> str:
    """Says what is wrong with a text, and where, on one line."""
    mark = getattr(error, "problem_mark", None)
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    what = getattr(error, "problem", None) or str(error)
    return where + re.sub(r"\s+", " ", what)

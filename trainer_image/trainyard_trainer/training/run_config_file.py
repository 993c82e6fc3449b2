"""Reading the run config, and refusing what this trainer doesn't understand.

Place in the data's way: station 4. What a trainer doesn't understand it would silently not do, so an unknown field is
as wrong as a bad value. The version is looked at first: the rest of another version means nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trainyard_api.run_config import RUN_CONFIG_VERSION, RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError


def read_run_config(path: Path) -> RunConfig:
    """Reads the run config in a file.

    Raises:
        RefusedError: INVALID_RUN_CONFIG, with the first field at fault.
    """
    try:
        return parse_run_config(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(f"the run config must be a readable UTF-8 file ({type(error).__name__})", "", path) from error


def parse_run_config(text: str) -> RunConfig:
    """Parses the run config in a JSON text.

    Raises:
        RefusedError: INVALID_RUN_CONFIG, with the first field at fault.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(f"the run config must be JSON ({error})", "", text) from error
    version = value.get("version") if isinstance(value, dict) else None
    if version != RUN_CONFIG_VERSION or isinstance(version, bool):
        raise _invalid(
            f"this trainer understands version {RUN_CONFIG_VERSION} only; use an image of the operator's release",
            "version",
            version,
        )
    try:
        return RunConfig.model_validate(value, extra="forbid")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        rule = first["msg"]
        if first["type"] == "extra_forbidden":
            rule = "this trainer doesn't know the field; use an image of the operator's release"
        raise _invalid(rule, ".".join(map(str, first["loc"])), first["input"]) from error


def _invalid(rule: str, field_path: str, value: Any) -> RefusedError:
    return RefusedError(
        TerminationReason.INVALID_RUN_CONFIG, rule, field_path=field_path or "runConfig", value=str(value)[:256]
    )

"""Going on with a run that has no cluster: which one, and whether it is still the same.

Place in the data's way: stations 1 and 2, where there is no API server. A run's config lies in its folder from its
start on, for a cluster's API server would keep the immutable part of a manifest, and here nobody else does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError

RUN_FILE: Final = "run.json"
_IMMUTABLE: Final = ("algorithm", "task", "evaluation")


def keep_config(config: RunConfig, folder: Path) -> None:
    """Write the config of a run that begins into its folder: whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{RUN_FILE}"
    aside.write_text(config.model_dump_json(by_alias=True, exclude_none=True), encoding="utf-8")
    aside.replace(folder / RUN_FILE)


def newest_run(job_folder: Path) -> RunConfig | None:
    """The config of a job's run that was begun last; None where there is none."""
    found = sorted(job_folder.glob(f"*/{RUN_FILE}"), key=lambda path: path.stat().st_mtime)
    return RunConfig.model_validate_json(found[-1].read_bytes()) if found else None


def require_unchanged(begun: RunConfig, now: RunConfig) -> None:
    """Refuse to go on with a run under another manifest than it was begun with.

    A checkpoint that it began from stays the one that was found then.

    Raises:
        RefusedError: INVALID_MANIFEST; an immutable field has changed.
    """
    for name in _IMMUTABLE:
        if getattr(begun, name) != getattr(now, name):
            raise _changed(f"spec.{name}")
    if begun.model.checkpoint is None and begun.model != now.model:
        raise _changed("spec.model")


def _changed(field_path: str) -> RefusedError:
    return RefusedError(
        TerminationReason.INVALID_MANIFEST,
        "must be what the run was begun with, for it goes on; run without --resume to begin another",
        field_path=field_path,
    )

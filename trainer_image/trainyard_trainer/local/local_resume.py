"""Going on with a run that has no cluster: which one, and whether it is still the same.

Place in the data's way: stations 1 and 2, where there is no API server. A run's config lies in its folder from its
start on; in a cluster the API server keeps the immutable part of a manifest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from trainyard_api.fields import ApiModel
from trainyard_api.model_source import CheckpointSource
from trainyard_api.run_config import PinnedCheckpoint, RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.readable import readable
from trainyard_trainer.storage.durable import make_folder, replace_file
from trainyard_trainer.training.run_config_file import parse_run_config

RUN_FILE: Final = "run.json"
_IMMUTABLE: Final = ("algorithm", "task", "evaluation")
_NOTHING: Final = object()
_SHOWN_CHARACTERS: Final = 200
"""Most characters of a value that an error shows."""


def keep_config(config: RunConfig, folder: Path) -> None:
    """Writes the config of a new run into its folder, whole or not at all, and flushed to the disk."""
    make_folder(folder)
    replace_file(folder / RUN_FILE, config.model_dump_json(by_alias=True, exclude_none=True).encode())


def newest_run(job_folder: Path) -> RunConfig | None:
    """Reads the config of the job's newest run; None where there is none.

    Raises:
        RefusedError: INVALID_RUN_CONFIG; that config isn't whole, or not of this folder. The run before isn't what was
            asked for, so it isn't taken instead.
    """
    found = sorted(job_folder.glob(f"*/{RUN_FILE}"), key=lambda path: path.lstat().st_mtime, reverse=True)
    if (lost := _without_config(job_folder)) is not None:
        raise _broken(lost / RUN_FILE, found, "there is none, and checkpoints of the run lie beside it")
    if not found:
        return None
    path, older = found[0], found[1:]
    if not path.is_file():
        raise _broken(path, older, "it is no file")
    try:
        config = parse_run_config(path.read_text("utf-8"))
    except OSError as error:
        raise _broken(path, older, f"it can't be read, {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _broken(path, older, f"it isn't UTF-8, byte {error.start + 1}") from error
    except RefusedError as error:
        why = f"{error.field_path}: {error.args[0]}"
        raise _broken(path, older, why, error.value) from error
    said = (config.run.namespace, config.run.name, config.run.uid)
    if said != (job_folder.parent.name, job_folder.name, path.parent.name):
        raise _broken(path, older, "it is of another run", "/".join(said))
    return config


def _without_config(job_folder: Path) -> Path | None:
    """Finds the folder of a run that has committed something and lost its config."""
    folders = sorted(folder for folder in job_folder.glob("*/") if not (folder / RUN_FILE).is_symlink())
    lost = (folder for folder in folders if not (folder / RUN_FILE).exists() and any(folder.glob("step-*/COMMIT")))
    return next(lost, None)


def continued(begun: RunConfig, now: RunConfig, named: CheckpointSource | None) -> RunConfig:
    """Makes the config under which a run goes on: today's manifest, with what was found when the run began.

    Args:
        begun: what it was begun with.
        now: what the manifest gives now.
        named: the checkpoint that the manifest names as its model.

    Raises:
        RefusedError: INVALID_MANIFEST; an immutable member has changed.
    """
    require_unchanged(begun, now, named)
    return now.model_copy(update={"run": begun.run, "model": begun.model, "baseline": begun.baseline})


def require_unchanged(begun: RunConfig, now: RunConfig, named: CheckpointSource | None = None) -> None:
    """Refuses to go on with a run whose immutable members have changed, by the first that has.

    A job's checkpoint stays the one that was found when the run began.

    Raises:
        RefusedError: INVALID_MANIFEST.
    """
    changed = [
        difference
        for name in _IMMUTABLE
        for difference in _differences(_wire(getattr(begun, name)), _wire(getattr(now, name)), f"spec.{name}")
    ]
    if not _same_checkpoint(begun.model.checkpoint, now.model.checkpoint, named):
        changed += _differences(_model(begun), _model(now), "spec.model")
    if changed:
        path, was, got = changed[0]
        rule = f"must be what the run was begun with ({_shown(was)}), for it goes on; "
        rule += "run without --resume to begin another"
        if len(changed) > 1:
            rule += f" (changed too: {_shown(', '.join(path for path, *_ in changed[1:]))})"
        raise RefusedError(TerminationReason.INVALID_MANIFEST, rule, field_path=path, value=_shown(got))


def _same_checkpoint(
    begun: PinnedCheckpoint | None, now: PinnedCheckpoint | None, named: CheckpointSource | None
) -> bool:
    """Says whether both are the checkpoint of one name, or of one job, whose newest may have changed."""
    if begun is None or now is None:
        return False
    if named is not None and named.training_job is not None:
        return _job_of(begun.uri) == _job_of(now.uri)
    return begun.name == now.name


def _job_of(uri: str) -> list[str]:
    """Reads namespace and job from a checkpoint's folder, `<namespace>/<job>/<uid>/<state>/`."""
    return uri.rstrip("/").split("/")[-4:-2]


def _model(config: RunConfig) -> dict[str, Any]:
    """Returns the model as the manifest has it: a checkpoint by its name."""
    wire = config.model.to_wire()
    if config.model.checkpoint is not None:
        wire["checkpoint"] = {"name": config.model.checkpoint.name}
    return wire


def _wire(part: ApiModel | None) -> Any:
    return _NOTHING if part is None else part.to_wire()


def _differences(begun: Any, now: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Yields the members that differ, each with what it was and what it is."""
    if isinstance(begun, dict) and isinstance(now, dict):
        for name in dict.fromkeys((*begun, *now)):
            yield from _differences(begun.get(name, _NOTHING), now.get(name, _NOTHING), f"{path}.{name}")
    elif isinstance(begun, list) and isinstance(now, list):
        for index in range(max(len(begun), len(now))):
            was, got = (items[index] if index < len(items) else _NOTHING for items in (begun, now))
            yield from _differences(was, got, f"{path}[{index}]")
    elif begun != now:
        yield path, begun, now


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    text = readable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _broken(path: Path, older: list[Path], why: str, value: str | None = None) -> RefusedError:
    go_on = f"move {path.parent} away to go on with the run before, {older[0].parent.name}, or " if older else ""
    rule = f"must hold what the run was begun with, as this trainer writes it ({why})"
    return RefusedError(
        TerminationReason.INVALID_RUN_CONFIG,
        f"{rule}; {go_on}run without --resume to begin another",
        field_path=str(path),
        value=None if value is None else _shown(value),
    )

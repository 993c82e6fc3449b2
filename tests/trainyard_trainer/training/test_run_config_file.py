"""A trainer refuses what it doesn't understand, and says which field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.training.run_config_file import parse_run_config, read_run_config

GOOD: dict[str, Any] = {
    "version": 1,
    "run": {"namespace": "team-a", "name": "calculator", "uid": "1-2", "attempt": 1},
    "model": {"scratch": {}},
    "algorithm": {"type": "SFT", "sft": {"steps": 2}},
    "task": {"name": "calculator", "rewards": [{"name": "exact"}]},
    "checkpoints": {"everySteps": 1, "storage": {"folder": {"directory": "/x"}}},
}


def refusal_of(text: str) -> RefusedError:
    """What parsing it raises."""
    with pytest.raises(RefusedError) as refused:
        parse_run_config(text)
    assert refused.value.reason == TerminationReason.INVALID_RUN_CONFIG
    return refused.value


def test_a_good_one_is_read(tmp_path: Path) -> None:
    """From its file."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps(GOOD))
    assert read_run_config(path).run.name == "calculator"


@pytest.mark.parametrize(
    ("change", "field_path", "value"),
    [
        ({"version": 2}, "version", "2"),
        ({"version": True}, "version", "True"),
        ({"version": None}, "version", "None"),
        ({"surprise": {"a": 1}}, "surprise", "{'a': 1}"),
        ({"run": GOOD["run"] | {"queue": "gold"}}, "run.queue", "gold"),
        ({"task": GOOD["task"] | {"timeout": 3}}, "task.timeout", "3"),
        ({"algorithm": {"type": "PPO"}}, "algorithm.type", "PPO"),
        ({"algorithm": {"type": "SFT", "sft": {"steps": 0}}}, "algorithm.sft.steps", "0"),
    ],
)
def test_what_is_not_understood_is_named(change: dict[str, Any], field_path: str, value: str) -> None:
    """Field and value, however deep."""
    error = refusal_of(json.dumps(GOOD | change))
    assert (error.field_path, error.value) == (field_path, value)


def test_the_version_comes_first() -> None:
    """Of another version nothing else is judged."""
    error = refusal_of(json.dumps({"version": 2, "everything": "else"}))
    assert error.field_path == "version"
    assert "version 1 only" in str(error)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "[" * 100_000])
def test_what_is_no_object_is_refused(text: str) -> None:
    """Whatever it is."""
    refusal_of(text)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(RefusedError, match=r"readable.*got .*/run\.json"):
        read_run_config(tmp_path / "run.json")

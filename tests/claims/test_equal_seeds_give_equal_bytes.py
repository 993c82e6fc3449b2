"""The same manifest and seed give the same weights, byte for byte, and the same trajectories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.claims.learning_runs import EXAMPLES
from tests.trainyard_trainer.stopping import Stop
from trainyard_api.manifest import check_manifest
from trainyard_trainer.local.local_run import run_here

pytestmark = pytest.mark.learning

VOLATILE = {"run", "started_at", "duration_seconds"}


def go(output: Path, seed: int) -> tuple[bytes, list[Any]]:
    """Weights and trajectories of a short fine-tuning followed by a short GRPO."""
    for example, settings in (("calculator-sft", ("sft", 40)), ("calculator-grpo", ("grpo", 6))):
        body = yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text())
        body["spec"]["algorithm"] |= {"seed": seed}
        body["spec"]["algorithm"][settings[0]]["steps"] = settings[1]
        body["spec"]["evaluation"]["questions"] = 32
        run_here(check_manifest(body), EXAMPLES / f"{example}.yaml", output, Stop())
    (weights,) = output.glob("team-a/calculator-grpo/*/step-6-*/model.safetensors")
    (rows,) = output.glob("team-a/calculator-grpo/*/trajectories.jsonl")
    return weights.read_bytes(), [timeless(json.loads(line)) for line in rows.read_text().splitlines()]


def timeless(value: Any) -> Any:
    """Without the run's uid and the clock."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in VOLATILE}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def test_a_rerun_is_equal_and_another_seed_is_not(tmp_path: Path) -> None:
    """On one machine with one thread."""
    first, again, other = (go(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert first[0] == again[0]
    assert first[1] == again[1]
    assert first[0] != other[0]

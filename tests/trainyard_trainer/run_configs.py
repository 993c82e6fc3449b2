"""Run configs for tests, of a tiny scratch model that counts with a calculator."""

from __future__ import annotations

from typing import Any

from trainyard_api.run_config import RunConfig


def run_config(algorithm: dict[str, Any], **changes: Any) -> RunConfig:
    """With this algorithm; `changes` replace whole members by their wire name."""
    body = {
        "version": 1,
        "run": {"namespace": "team-a", "name": "small", "uid": "run-1", "attempt": 1},
        "model": {"scratch": {}},
        "algorithm": algorithm,
        "task": {"name": "calculator", "rewards": [{"name": "exact"}]},
        "checkpoints": {"everySteps": 100, "storage": {"folder": {"directory": "/nowhere"}}},
    }
    return RunConfig.model_validate(body | changes, extra="forbid")

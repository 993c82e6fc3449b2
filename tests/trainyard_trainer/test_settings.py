"""A policy's settings are what the run config says."""

from __future__ import annotations

from typing import Any

from trainyard_api.algorithm import Precision
from trainyard_api.run_config import RunConfig
from trainyard_trainer.policy.settings import PolicySettings


def config(algorithm: dict[str, Any], **changes: Any) -> RunConfig:
    """A run config with this algorithm."""
    body = {
        "version": 1,
        "run": {"namespace": "team-a", "name": "small", "uid": "run-1", "attempt": 1},
        "model": {"scratch": {}},
        "algorithm": algorithm,
        "task": {"name": "calculator", "rewards": [{"name": "exact"}]},
        "checkpoints": {"everySteps": 100, "storage": {"folder": {"directory": "/nowhere"}}},
    }
    return RunConfig.model_validate(body | changes, extra="forbid")


def test_every_field_is_obeyed() -> None:
    """GRPO with everything set."""
    grpo = {"steps": 1, "learningRate": "2e-5", "temperature": "0.7", "kl": {}}
    machine = {"precision": "BFloat16", "gradientCheckpointing": True, "compile": True, "microBatchTokens": 99}
    chosen = PolicySettings.of(config({"type": "GRPO", "grpo": grpo, **machine}, memoryLimitBytes=1_000))
    assert chosen == PolicySettings(2e-5, Precision.BFLOAT16, True, True, 99, 1_000, 0.7, keep_reference=True)


def test_without_a_penalty_no_reference_is_kept() -> None:
    """GRPO's defaults; demonstrations are scored at temperature 1, and an evaluation learns nothing."""
    assert PolicySettings.of(config({"type": "GRPO", "grpo": {"steps": 1}})) == PolicySettings(1e-6)
    sft = config({"type": "SFT", "sft": {"steps": 1, "learningRate": "3e-3"}})
    assert PolicySettings.of(sft) == PolicySettings(3e-3)
    assert PolicySettings.of(config({"type": "Evaluation"})) == PolicySettings(0.0)

"""A policy's settings are what the run config says."""

from __future__ import annotations

from tests.trainyard_trainer.run_configs import run_config
from trainyard_api.algorithm import Precision
from trainyard_trainer.policy.settings import PolicySettings


def test_every_field_is_obeyed() -> None:
    """GRPO with everything set."""
    grpo = {"steps": 1, "learningRate": "2e-5", "temperature": "0.7", "kl": {}}
    machine = {"precision": "BFloat16", "gradientCheckpointing": True, "compile": True, "microBatchTokens": 99}
    chosen = PolicySettings.of(run_config({"type": "GRPO", "grpo": grpo, **machine}, memoryLimitBytes=1_000))
    assert chosen == PolicySettings(2e-5, Precision.BFLOAT16, True, True, 99, 1_000, 0.7, keep_reference=True)


def test_without_a_penalty_no_reference_is_kept() -> None:
    """GRPO's defaults; demonstrations are scored at temperature 1, and an evaluation learns nothing."""
    assert PolicySettings.of(run_config({"type": "GRPO", "grpo": {"steps": 1}})) == PolicySettings(1e-6)
    sft = run_config({"type": "SFT", "sft": {"steps": 1, "learningRate": "3e-3"}})
    assert PolicySettings.of(sft) == PolicySettings(3e-3)
    assert PolicySettings.of(run_config({"type": "Evaluation"})) == PolicySettings(0.0, trains=False)

"""A dry run does everything but train: it refuses what a run would, and shows what the model says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_trainer import policies
from tests.trainyard_trainer.run_configs import run_config
from tests.trainyard_trainer.stopping import Stop
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.training import dry_run as dry_run_module
from trainyard_trainer.training.algorithm_types import BATCH_READERS
from trainyard_trainer.training.dry_run import dry_run
from trainyard_trainer.training.inputs import RunInputs

EXAMPLES = Path(__file__).parents[3] / "crds" / "examples"
GRPO = {"type": "GRPO", "grpo": {"steps": 5, "promptsPerStep": 2, "groupSize": 3}}
SFT = {"type": "SFT", "sft": {"steps": 5, "batchSize": 4}}


def said(algorithm: dict[str, Any], folder: Path | None = None, **changes: Any) -> list[str]:
    """What a dry run of a small config says."""
    lines: list[str] = []
    dry_run(run_config(algorithm, **changes), RunInputs(baseline=folder), stop=Stop(), say=lines.append)
    return lines


def test_a_grpo_run_is_tried_on_a_few_prompts() -> None:
    """Model, self-check, tokens of a pass, rewards, and a conversation."""
    lines = said(GRPO)
    assert lines[0] == "model: Qwen3ForCausalLM"
    assert lines[1].startswith("sampler: Slots; ")
    assert lines[2].startswith("update: rows of up to ")
    assert "rollout: 6 trajectories of 2 prompts" in lines
    assert "  reward exact: from 0 to 0, weight 1" in lines
    assert any(line.startswith("  prompt: 'Q") for line in lines)
    assert any(line.startswith("  policy: '") for line in lines)


def test_a_fine_tuning_is_tried_on_demonstrations_and_its_evaluation_on_a_few_queries() -> None:
    """It has no rollouts of its own."""
    lines = said(SFT, evaluation={"questions": 9})
    assert any(line.startswith("demonstrations: 4, the longest of ") for line in lines)
    assert "rollout: 4 trajectories of 4 prompts" in lines
    assert not any(line.startswith("rollout") for line in said(SFT))


def test_both_models_of_an_evaluation_are_tried(tmp_path: Path) -> None:
    """And a baseline that is no model is refused with its field."""
    pinned = {
        "uri": "file:///nowhere/step-7-abc/",
        "digest": "sha256:" + "0" * 64,
        "storage": {"folder": {"directory": "/nowhere"}},
    }
    asked = {"evaluation": {"questions": 9, "baseline": {"checkpoint": "x"}}, "baseline": pinned}
    folder = policies.write(policies.policy().snapshot(7, {}), tmp_path / "baseline")
    lines = said({"type": "Evaluation"}, folder, **asked)
    assert [line for line in lines if line in {"baseline:", "model:"}] == ["baseline:", "model:"]
    assert lines.count("rollout: 4 trajectories of 4 prompts") == 2
    assert not any(line.startswith("update") for line in lines)
    with pytest.raises(RefusedError) as refused:
        said({"type": "Evaluation"}, tmp_path, **asked)
    assert refused.value.field_path == "spec.evaluation.baseline.checkpoint"


def test_every_type_can_be_tried() -> None:
    """As it can be read from a checkpoint."""
    assert set(dry_run_module._TRIALS) == set(BATCH_READERS)

"""A dry run does everything but train: it refuses what a run would, and shows what the model says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.trainyard_trainer import policies
from tests.trainyard_trainer.run_configs import run_config
from tests.trainyard_trainer.stopping import Stop
from trainyard_api.manifest import check_manifest
from trainyard_trainer.errors import RefusedError, StoppedError
from trainyard_trainer.local.local import main
from trainyard_trainer.local.local_dry_run import dry_run_here
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


def test_a_reward_that_fails_is_refused_with_its_line(tmp_path: Path) -> None:
    """As the first step would be; the user's file is named, and only the output folder is made."""
    (tmp_path / "mine.py").write_text("def broken(trajectory):\n    return 1 / 0\n")
    body = yaml.safe_load((EXAMPLES / "calculator-sft.yaml").read_text())
    task = {"name": "calculator", "rewards": [{"name": "broken"}], "module": {"name": "mine", "key": "mine.py"}}
    body["spec"] |= {"algorithm": GRPO, "task": task, "evaluation": None}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(body))
    lines: list[str] = []
    with pytest.raises(RefusedError, match=r"ZeroDivisionError: division by zero at .*mine\.py:2") as refused:
        dry_run_here(check_manifest(body), tmp_path / "job.yaml", tmp_path / "out", Stop(), lines.append)
    assert refused.value.field_path == "spec.task.rewards[0].name"
    assert list((tmp_path / "out").iterdir()) == []
    assert lines[0] == "data: train: drawn by the task; the longest prompt has 7 tokens"


def test_the_command_says_what_it_found_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0; with --resume it makes no sense."""
    manifest = str(EXAMPLES / "calculator-sft.yaml")
    command = ["run", manifest, "--output", str(tmp_path / "out"), "--dry-run"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "model: Qwen3ForCausalLM" in shown
    assert "data: train: drawn by the task" in shown
    assert shown.endswith(f"dry run: nothing was trained; {tmp_path / 'out'} can be written\n")
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(SystemExit):
        main([*command, "--resume"])


def test_a_stop_ends_it(tmp_path: Path) -> None:
    """Between two decode rounds."""
    body = yaml.safe_load((EXAMPLES / "calculator-sft.yaml").read_text())
    with pytest.raises(StoppedError):
        dry_run_here(check_manifest(body), EXAMPLES / "x.yaml", tmp_path, Stop(lambda: True), lambda _: None)

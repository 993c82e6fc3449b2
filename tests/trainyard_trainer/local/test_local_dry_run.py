"""A dry run without a cluster tries the manifest, the files beside it and the output folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.trainyard_trainer.stopping import Stop
from trainyard_api.manifest import check_manifest
from trainyard_trainer.errors import RefusedError, StoppedError
from trainyard_trainer.local.local import main
from trainyard_trainer.local.local_dry_run import dry_run_here

EXAMPLES = Path(__file__).parents[3] / "crds" / "examples"


GRPO = {"type": "GRPO", "grpo": {"steps": 5, "promptsPerStep": 2, "groupSize": 3}}


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

"""`python -m trainyard_trainer run` needs nothing but Python, a manifest and a folder, and keeps what it did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import GUARD_SECONDS, until

pytestmark = pytest.mark.learning

EXAMPLES = Path(__file__).parents[2] / "crds" / "examples"


def command(example: str, output: Path) -> list[str]:
    """The command of the README."""
    manifest = str(EXAMPLES / f"{example}.yaml")
    return [sys.executable, "-m", "trainyard_trainer", "run", manifest, "--output", str(output)]


def test_a_missing_checkpoint_ends_with_20_and_the_command_that_makes_it(tmp_path: Path) -> None:
    """As the last words on stderr, ready to be copied."""
    ended = subprocess.run(
        command("calculator-grpo", tmp_path), capture_output=True, text=True, timeout=GUARD_SECONDS, check=False
    )
    assert ended.returncode == 20, ended.stderr
    expected = f"python -m trainyard_trainer run {EXAMPLES / 'calculator-sft.yaml'} --output {tmp_path}"
    assert expected in ended.stderr
    assert "Traceback" not in ended.stderr


def test_ctrl_c_saves_and_exits_10(tmp_path: Path) -> None:
    """The newest finished step is committed; the environment holds no secret, database or cluster."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.Popen(
        command("calculator-sft", tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=bare
    )

    def has_begun() -> bool:
        assert process.poll() is None, process.stderr.read()
        return any(tmp_path.glob("team-a/calculator-sft/*/metrics.jsonl"))

    try:
        until(has_begun, "no step is finished")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=GUARD_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 10, errors
    (commit,) = tmp_path.glob("team-a/calculator-sft/*/step-*/COMMIT")
    assert str(commit.parent) in errors

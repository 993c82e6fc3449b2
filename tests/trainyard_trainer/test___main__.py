"""The entry point chooses between a pod and a run without a cluster, and answers before torch is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import GUARD_SECONDS


def trainer(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`python -m trainyard_trainer`, with nothing in its environment that a pod has."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TRAINYARD_")}
    command = [sys.executable, "-m", "trainyard_trainer", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment | variables, timeout=GUARD_SECONDS, check=False
    )


def test_help_explains_both_ways() -> None:
    """With the exit codes."""
    done = trainer("--help")
    assert done.returncode == 0
    assert trainer("write-rows", "--help").stdout == done.stdout
    assert "run MANIFEST --output DIR" in done.stdout
    assert "20 refused" in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["run", "/nowhere.yaml", "--output", "/nowhere"]])
def test_torch_is_not_loaded_for_an_answer_that_needs_none(arguments: list[str]) -> None:
    """Seconds that a user would wait for an error message."""
    code = (
        f"import sys; from trainyard_trainer.__main__ import main; main({arguments!r}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_an_unknown_command_is_a_usage_error() -> None:
    """As every command line does."""
    done = trainer("jump")
    assert done.returncode == 2
    assert "usage:" in done.stderr


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """A pod without a run config, in which somebody has left a thread behind."""
    folder = tmp_path_factory.mktemp("pod")
    thread = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    (folder / "sitecustomize.py").write_text(thread)
    return trainer(TRAINYARD_RUN_CONFIG=str(folder / "run.json"), PYTHONPATH=str(folder))


def test_a_pod_without_a_run_config_is_refused_in_one_line(refused: subprocess.CompletedProcess[str]) -> None:
    """Exit 20, and the last line of the log says why."""
    assert refused.returncode == 20
    assert "ERROR trainyard_trainer.pod.last_word: ended: runConfig: the run config must be a" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_thread_that_goes_on_does_not_keep_a_pod_alive(refused: subprocess.CompletedProcess[str]) -> None:
    """As a user's module or a tracker's library may leave one behind: a pod is paid for as long as it lives."""
    assert refused.returncode == 20
    assert "ended: runConfig" in refused.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_cannot_show_a_character_shows_its_number(tmp_path: Path, encoding: str) -> None:
    """A query's letter, or a name in an error, ends no run."""
    manifest = tmp_path / "你.yaml"
    manifest.write_text("kind: 你\n", encoding="utf-8")
    done = trainer("run", str(manifest), "--output", str(tmp_path / "out"), PYTHONIOENCODING=encoding)
    assert done.returncode == 20
    assert r"\u4f60" in done.stderr
    assert "Traceback" not in done.stderr

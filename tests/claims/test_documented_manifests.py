"""Manifests, functions, tasks and names of numbers in the documentation are what they are said to be."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.claims.learning_runs import run_manifest
from tests.trainyard_trainer.trajectories import trajectory
from trainyard_api.manifest import check_manifest
from trainyard_api.task import TaskSpec
from trainyard_trainer.algorithms.losses import DEFAULT_CLIPS
from trainyard_trainer.environment import Observation, PolicyTurn
from trainyard_trainer.training.registry import make_task

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "training.md").read_text()


def blocks(language: str) -> list[str]:
    """Fenced blocks of a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)
    return [content for named, content in found if named == language]


@pytest.mark.parametrize("fragment", blocks("yaml"))
def test_fragment_makes_a_legal_manifest(fragment: str) -> None:
    """Put under the spec of the smallest example, each is accepted, with no field that the API doesn't know."""
    body: dict[str, Any] = yaml.safe_load((ROOT / "crds/examples/minimal.yaml").read_text())
    body["spec"] |= yaml.safe_load(fragment)
    assert check_manifest(body).spec.to_wire()


def documented(name: str) -> dict[str, Any]:
    """What the block of Python that defines a name defines."""
    (code,) = (block for block in blocks("python") if re.search(rf"^(def|class) {name}\b", block, re.MULTILINE))
    module: dict[str, Any] = {"__name__": "documented"}
    exec(compile(code, "documented", "exec"), module)
    return module


def test_the_documented_reward_is_a_reward() -> None:
    """It scores an answer as its docstring says."""
    module = documented("close_enough")
    scores = [
        module["close_enough"](trajectory(answer=answer, expected="00020")) for answer in ("00021", "00022", "x", None)
    ]
    assert scores == [1.0, 0.0, 0.0, 0.0]


def test_the_documented_task_is_a_task(tmp_path: Path) -> None:
    """A manifest can name it; it asks, hints after a wrong answer, judges the right one, and shows how."""
    (code,) = (block for block in blocks("python") if "class Successor" in block)
    (tmp_path / "my_task.py").write_text(code)
    named = {"name": "Successor", "module": {"name": "m", "key": "my_task.py"}, "rewards": [{"name": "exact"}]}
    task = make_task(TaskSpec.model_validate(named), tmp_path / "my_task.py")
    question = task.question(np.random.default_rng(0))
    shown = task.demonstration(question, np.random.default_rng(0))
    assert [(turn.role, turn.said) for turn in shown] == [
        ("prompt", question.text),
        ("policy", f"{question.expected};"),
    ]
    environment = task.environment()

    async def talk() -> list[Observation]:
        assert await environment.reset(question) == question.text
        low, right = int(question.expected) - 1, question.expected
        return [await environment.step(PolicyTurn(f"{answer};")) for answer in (low, right)]

    hint, end = asyncio.run(talk())
    assert hint == Observation(done=False, reply="+;")
    assert end == Observation(done=True, answer=question.expected, success=True)


def test_the_documented_numbers_are_those_that_a_step_measures(tmp_path: Path) -> None:
    """A step with a penalty has every name of the table, and no other."""
    rows = [line for line in TEXT.partition("| measured of a step |")[2].split("\n\n")[0].splitlines()[2:] if line]
    names = {name for row in rows for name in re.findall(r"`([a-z_/]+)`", row)}
    grpo = {"steps": 2, "promptsPerStep": 4, "groupSize": 4, "learningRate": "1e-3", "kl": {"coefficient": "0.1"}}
    task = {"name": "echo", "options": {"digits": "1"}}
    algorithm = {"type": "GRPO", "seed": 0, "grpo": grpo}
    run = run_manifest(tmp_path, "numbers", model={"scratch": {}}, algorithm=algorithm, task=task)
    assert {name for step in run.steps for name in step} == names


def test_defaults_in_the_table_of_losses_are_those_of_the_code() -> None:
    """Bounds by loss, as an update uses them where a manifest says nothing."""
    for loss, clip in DEFAULT_CLIPS.items():
        row = next(line for line in TEXT.splitlines() if line.startswith(f"| {loss} |"))
        low, high = (text.strip() for text in row.rstrip(" |").rpartition("|")[2].split(","))
        assert (None if low == "none" else float(low), float(high)) == (clip.low, clip.high), loss

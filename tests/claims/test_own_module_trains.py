"""A user's module with a task and rewards of all kinds trains; what is wrong in it is said with file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.claims.learning_runs import LearningRun, run_manifest
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError

GRPO = {"steps": 2, "promptsPerStep": 2, "groupSize": 3, "learningRate": "1e-3"}

MODULE = '''
import asyncio

from trainyard_trainer.environment import Observation, Question
from trainyard_trainer.tasks.task import DemonstrationTurn, Task
from trainyard_trainer.trajectory import Role


class Counting(Task):
    """What comes after a number below 90?"""

    alphabet = "0123456789;"
    stop_texts = (";",)
    max_turn_tokens = 3
    option_names = ("highest",)

    def __init__(self, options):
        self._highest = int(options.get("highest", "90"))

    def question(self, random):
        number = int(random.integers(10, self._highest))
        return Question(f"{number};", f"{number + 1}")

    def demonstration(self, question, random):
        return DemonstrationTurn(Role.PROMPT, question.text), DemonstrationTurn(Role.POLICY, question.expected + ";")

    def environment(self):
        return World()


class World:
    async def reset(self, question):
        self.expected = question.expected
        return question.text

    async def step(self, turn):
        answer = turn.text.rstrip(";")
        return Observation(done=True, answer=answer, success=answer == self.expected)


class Broken(Counting):
    stop_texts = tuple("0123456789;")  # so that nearly every turn ends by itself

    def environment(self):
        return BrokenWorld()


class BrokenWorld(World):
    async def step(self, turn):
        raise OSError("the world ended")


def length(trajectory):
    return trajectory.policy_tokens


async def judged(trajectory):
    await asyncio.sleep(0.01)
    return float(len(trajectory.turns[-1].text) % 2)


def each_turn(trajectory):
    return [0.5 for turn in trajectory.turns if turn.role == Role.POLICY]


def raises_often(trajectory):
    if trajectory.id.sample:
        raise KeyError(trajectory.question)
    return 1.0
'''


def train(output: Path, *rewards: str, task: str = "Counting") -> LearningRun:
    """Two steps on the module's task."""
    (output / "mine.py").write_text(MODULE)
    return run_manifest(
        output,
        "own",
        model={"scratch": {}},
        algorithm={"type": "GRPO", "seed": 0, "grpo": GRPO},
        task={"name": task, "options": {"highest": "60"}, "module": {"name": "own", "key": "mine.py"}},
        rewards=[{"name": name} for name in rewards],
    )


def place(line: str, output: Path) -> str:
    """File and line of a line of the module."""
    return f"{output / 'mine.py'}:{MODULE.splitlines().index(line) + 1}"


def test_a_module_trains(tmp_path: Path) -> None:
    """Its task, an ordinary reward, a coroutine and one by turn, beside a built-in one."""
    run = train(tmp_path, "length", "judged", "each_turn", "exact")
    assert len(run.steps) == 2
    (log,) = tmp_path.glob("team-a/own/*/trajectories.jsonl")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(rows) == 12
    for row in rows:
        assert set(row["rewards"]) == {"length", "judged", "each_turn", "exact"}
        assert row["rewards"]["each_turn"] == 0.5
        assert row["total_reward"] == pytest.approx(sum(row["rewards"].values()))
        assert sum(row["turn_rewards"]) == pytest.approx(row["total_reward"])


def test_a_reward_that_fails_too_often_ends_the_run_with_its_line(tmp_path: Path) -> None:
    """Two thirds of a step are more than the half that may fail."""
    with pytest.raises(RefusedError) as refusal:
        train(tmp_path, "raises_often")
    assert refusal.value.reason is TerminationReason.REWARD_FAILED
    assert refusal.value.field_path == "spec.task.rewards[0].name"
    assert "KeyError" in str(refusal.value)
    assert place("        raise KeyError(trajectory.question)", tmp_path) in str(refusal.value)


def test_an_environment_that_fails_too_often_ends_the_run_with_its_line(tmp_path: Path) -> None:
    """With a reason of its own."""
    with pytest.raises(RefusedError) as refusal:
        train(tmp_path, "exact", task="Broken")
    assert refusal.value.reason is TerminationReason.ENVIRONMENT_FAILED
    assert (refusal.value.field_path, refusal.value.value) == ("spec.task.name", "Broken")
    assert "OSError: the world ended" in str(refusal.value)
    assert place('        raise OSError("the world ended")', tmp_path) in str(refusal.value)

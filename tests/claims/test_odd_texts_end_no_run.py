"""A run that costs money doesn't end by one odd character, whoever wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_trainer import chat_model
from tests.trainyard_trainer.stopping import Stop
from trainyard_api.task import RewardTerm
from trainyard_trainer.chat.chat_renderer import ChatRenderer
from trainyard_trainer.environment import Message, Observation, PolicyTurn, Prompt, Question, Said
from trainyard_trainer.ledger.rows import rows
from trainyard_trainer.ledger.trajectory_log import TrajectoryLog
from trainyard_trainer.randomness import Stream, StreamKey
from trainyard_trainer.readable import is_writable
from trainyard_trainer.rewards.reward import close_rewards
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.rollouts.in_process import SynchronousRollouts
from trainyard_trainer.rollouts.source import RolloutPlan
from trainyard_trainer.sampling.engine import Generation
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.tasks.arithmetic_tools import ArithmeticToolsTask
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.training.registry import load_rewards
from trainyard_trainer.trajectory import CallOutcome, FinishReason, Role, Sampling, Trajectory, TrajectoryStatus

HALF = "\ud83d"
MODEL = chat_model.loaded()
PROMPTS = [Prompt(0, index, Question(f"What is {index}+1?", str(index + 1))) for index in range(3)]


class Says:
    """An engine that says given turns: the first conversation its script, the others the right answer."""

    def __init__(self, script: Sequence[str], end: int) -> None:
        self._script = script
        self._end = end

    def open_session(self) -> list[int]:
        return []

    def close_session(self, _: Any) -> None:
        pass

    async def generate(self, session: Any, _: Sequence[int], __: Sampling, key: StreamKey) -> Generation:
        session.append(1)
        text = self._script[len(session) - 1] if key.prompt == 0 else str(key.prompt + 1)
        ids = (*MODEL.tokenizer.encode(text, add_special_tokens=False), self._end)
        return Generation(ids, (-0.5,) * len(ids), FinishReason.STOP, (0,) * len(ids))


def play(*script: str, task: Task | None = None) -> list[Trajectory]:
    """Three conversations, of which the first follows the script."""
    chosen = task or ArithmeticToolsTask({})
    renderer = ChatRenderer(MODEL.vocabulary, chosen)
    source = SynchronousRollouts(
        engine=Says(script, renderer.stop_ids[0]), task=chosen, task_name="arithmetic-tools", renderer=renderer,
        run="run-1", seed=0, stop=Stop(),
    )  # fmt: skip
    plan = RolloutPlan(1, 1.0, 8, Stream.TRAINING_TOKENS)
    return sorted(source.rollout(PROMPTS, plan), key=lambda one: one.id)


def assert_kept(trajectories: Sequence[Trajectory], folder: Path) -> list[dict[str, Any]]:
    """They can be written to a local ledger and made rows of Postgres; the lines, read back."""
    TrajectoryLog(folder).record_step(trajectories, StepMetrics("step", 0, 1, {}))
    for table in rows("run-1", 1, 0, trajectories).values():
        for row in table:
            assert all(is_writable(value) and "\x00" not in value for value in astuple(row) if isinstance(value, str))
    return [json.loads(line) for line in (folder / "trajectories.jsonl").read_text(encoding="utf-8").splitlines()]


def call(expression: str) -> str:
    """A call of the calculator."""
    return f'<tool_call>{{"name":"calculator","arguments":{{"expression":"{expression}"}}}}</tool_call>'


@pytest.mark.parametrize("expression", [r"\ud83d", r"\u0000", r"\udc00\ud83d", "\x00"])
def test_a_policy_that_writes_an_odd_character_goes_on(expression: str, tmp_path: Path) -> None:
    """Its call fails, it is told, and it answers; nothing is lost."""
    first, *others = play(call(expression), "1", task=ArithmeticToolsTask({}))
    assert (first.status, first.success) == (TrajectoryStatus.OK, True)
    (outcome,) = first.turns[1].calls
    assert outcome.result.startswith("error: ")
    assert not outcome.ok
    assert all(other.success for other in others)
    assert len(assert_kept([first, *others], tmp_path)) == 3


class Answers(ArithmeticToolsTask):
    """Its first conversation's environment answers as it is told."""

    def __init__(self, does: Callable[[PolicyTurn], Observation], opens: Said | None = None) -> None:
        super().__init__({})
        self._does = does
        self._opens = opens

    def environment(self) -> Any:
        does, opens = self._does, self._opens
        usual = super().environment()

        class Environment:
            async def reset(self, question: Question) -> Said:
                self.first = question.expected == "1"
                said = await usual.reset(question)
                return opens if self.first and opens is not None else said

            async def step(self, turn: PolicyTurn) -> Observation:
                return does(turn) if self.first else await usual.step(turn)

        return Environment()


def throw(_: PolicyTurn) -> Observation:
    """An error whose text is odd."""
    raise ValueError(f"odd {HALF}\x00")


@pytest.mark.parametrize(
    ("does", "status"),
    [
        (lambda _: Observation(done=True, answer=f"1{HALF}", success=True), TrajectoryStatus.OK),
        (lambda _: Observation(done=True, calls=(CallOutcome(HALF, f"\x00{HALF}", ok=True),)), TrajectoryStatus.OK),
        (lambda _: Observation(done=False, reply=f"so {HALF}"), TrajectoryStatus.FAILED_ENVIRONMENT),
        (lambda _: Observation(done=False, reply=(Message("tool", HALF),)), TrajectoryStatus.FAILED_ENVIRONMENT),
        (throw, TrajectoryStatus.FAILED_ENVIRONMENT),
    ],
    ids=["answer", "call", "reply", "message", "error"],
)
def test_an_environment_that_says_an_odd_character_fails_alone_at_most(
    does: Callable[[PolicyTurn], Observation], status: TrajectoryStatus, tmp_path: Path
) -> None:
    """What people read is cleaned; what the model would have to read fails that conversation."""
    trajectories = play("x", task=Answers(does))
    assert [one.status for one in trajectories] == [status, TrajectoryStatus.OK, TrajectoryStatus.OK]
    assert "\ufffd" in json.dumps(assert_kept(trajectories, tmp_path)[0], ensure_ascii=False) or status is not (
        TrajectoryStatus.OK
    )


@pytest.mark.parametrize("opens", [HALF, (Message("user", HALF),), (Message("system", HALF), Message("user", "a"))])
def test_a_question_that_cannot_be_written_fails_alone(opens: Said, tmp_path: Path) -> None:
    """It has no tokens, and the others are asked."""
    first, *others = play(task=Answers(throw, opens))
    assert (first.status, first.segments) == (TrajectoryStatus.FAILED_ENVIRONMENT, ())
    assert "half of a surrogate pair" in str(first.error)
    assert all(other.success for other in others)
    assert_kept([first, *others], tmp_path)


@pytest.mark.parametrize("made", ["raise ValueError('odd \\ud83d\\x00')", "return '\\ud83d'"])
def test_a_rewards_odd_words_are_cleaned(made: str, tmp_path: Path) -> None:
    """They fail the trajectories that they are about, and can be kept."""
    module = tmp_path / "rewards.py"
    module.write_text(f"def odd(trajectory):\n    if trajectory.expected == '1':\n        {made}\n    return 1.0\n")
    rewards = load_rewards([RewardTerm(name="odd")], module)
    try:
        scored = score(play("1"), rewards)
    finally:
        close_rewards(rewards)
    assert [one.status for one in scored] == [TrajectoryStatus.FAILED_REWARD, TrajectoryStatus.OK, TrajectoryStatus.OK]
    kept = assert_kept(scored, tmp_path / "run")
    assert kept[0]["error"].startswith("reward odd ")


def test_what_people_read_is_all_that_was_said() -> None:
    """A turn's text has the reasoning too, though no answer is taken from it."""
    first, *_ = play("<think>2?</think>1")
    assert (first.answer, first.success) == ("1", True)
    assert [turn.text for turn in first.turns if turn.role is Role.POLICY] == ["<think>2?</think>1"]

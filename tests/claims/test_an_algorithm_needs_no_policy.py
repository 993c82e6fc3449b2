"""An algorithm that has no policy trains by the same loop: a search for an instruction, where no model of ours exists.

Whoever is asked is somebody else's model, an update compares an instruction with the best so far, and what the search
learned is its own state in a checkpoint.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.trainyard_trainer import small
from tests.trainyard_trainer.small import Outside
from tests.trainyard_trainer.trajectories import trajectory
from trainyard_trainer.algorithms.base import Algorithm
from trainyard_trainer.algorithms.plan import Plan
from trainyard_trainer.algorithms.trajectory_state import trajectory_from_state, trajectory_to_state
from trainyard_trainer.checkpoints.resumable import Resumed
from trainyard_trainer.environment import Prompt
from trainyard_trainer.errors import DroppedError, RefusedError, StoppedError
from trainyard_trainer.randomness import Stream
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.rollouts.source import RolloutPlan
from trainyard_trainer.sinks import Snapshot
from trainyard_trainer.training.components import Components
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.training.restore import restore
from trainyard_trainer.training.train import train
from trainyard_trainer.training.train_state import TrainState
from trainyard_trainer.trajectory import Trajectory, TrajectoryId

RIGHT = {"Guess.": 0, "Answer.": 2, "Think.": 3, "Hurry.": 1, "Think twice.": 2, "Answer now.": 2}
"""How many of a step's three questions are answered rightly with each instruction; a step tries two of them."""
STEPS, UPDATES, QUESTIONS = 3, 2, 3


class SomebodyElse:
    """A source of rollouts by a model that isn't ours."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self.asked: list[str] = []

    def rollout(self, prompts: Sequence[Prompt], plan: RolloutPlan) -> Iterator[Trajectory]:
        """Follow the instruction in a question's first line; `plan` is for one answer."""
        assert plan.group_size == 1
        if self._outside.requested():
            raise DroppedError
        for prompt in prompts:
            instruction = prompt.question.text.splitlines()[0]
            self.asked.append(instruction)
            right = prompt.index % QUESTIONS < RIGHT[instruction]
            yield trajectory(
                0.0,
                id=TrajectoryId("run-1", prompt.step, prompt.index, 0),
                group=instruction,
                segments=(),
                expected=prompt.question.expected,
                answer=prompt.question.expected if right else "?",
            )


@dataclass(frozen=True)
class Tried:
    """The scored answers of a step, those to an instruction in one group, and how many of them are compared."""

    kept: ClassVar[bool] = True
    answers: tuple[Trajectory, ...]
    done: int = 0

    def to_state(self) -> dict[str, Any]:
        return {"answers": [trajectory_to_state(answer) for answer in self.answers], "done": self.done}


class InstructionSearch:
    """Keeps the instruction whose answers have the highest mean reward."""

    steps, updates_per_step = STEPS, UPDATES

    def __init__(self, components: Components, rollouts: SomebodyElse) -> None:
        self._questions, self._rewards, self._rollouts = components.questions, components.rewards, rollouts
        self.best, self.highest, self.version = "", -1.0, 0

    def prepare(self) -> None:
        """Nothing depends on the machine."""

    def collect(self, step: int, watch: Any, progress: Any) -> list[Trajectory]:
        progress.phase("rollout")
        asked = [
            replace(
                prompt,
                index=place * QUESTIONS + prompt.index,
                question=replace(prompt.question, text=f"{instruction}\n{prompt.question.text}"),
            )
            for place, instruction in enumerate(list(RIGHT)[step * UPDATES : (step + 1) * UPDATES])
            for prompt in self._questions.training(step, QUESTIONS)
        ]
        plan = RolloutPlan(1, 1.0, 1, Stream.TRAINING_TOKENS)
        answers = score(list(self._rollouts.rollout(asked, plan)), self._rewards)
        watch.lap("rollout")
        return answers

    def batch(self, collected: Sequence[Trajectory], step: int) -> Tried:  # noqa: ARG002 (the protocol's)
        return Tried(tuple(collected))

    def updates(self, batch: Tried) -> Iterator[tuple[int, int, Tried]]:
        by_group: dict[str, list[float]] = {}
        for answer in batch.answers:
            by_group.setdefault(answer.group, []).append(answer.total_reward or 0.0)
        for done, (instruction, rewards) in enumerate(by_group.items(), 1):
            if done > batch.done:
                if statistics.fmean(rewards) > self.highest:
                    self.best, self.highest = instruction, statistics.fmean(rewards)
                self.version += 1
                batch = replace(batch, done=done)
                yield done, len(by_group), batch

    def measured(self, batch: Tried, seconds: Mapping[str, float]) -> tuple[Sequence[Trajectory], dict[str, float]]:
        return batch.answers, {"reward_mean": self.highest, "step_seconds": seconds["step"]}

    @staticmethod
    def batch_from_state(state: Mapping[str, Any]) -> Tried:
        return Tried(tuple(trajectory_from_state(answer) for answer in state["answers"]), state["done"])

    def restore(self, folder: Path, state: Mapping[str, Any]) -> None:
        assert not list(folder.glob("*.safetensors"))
        self.best, self.highest, self.version = state["best"], state["highest"], state["version"]

    def snapshot(
        self, step: int, metrics: Mapping[str, str], *, updates: int | None, more: Mapping[str, Any], final: bool
    ) -> Snapshot:
        assert final == (step == STEPS)
        learned = {"best": self.best, "highest": self.highest, "version": self.version}
        return Snapshot(step, self.version, {}, learned | dict(more), metrics, updates)


class Searched:
    """One search, from its beginning or from a snapshot, until it ends or is stopped."""

    def __init__(self, outside: Outside, begun: Resumed | None = None) -> None:
        config = small.config(model={"path": "/nowhere/model"})
        self.components = Components(config, RunInputs(), outside, Plan(steps=STEPS))
        self.source = SomebodyElse(outside)
        self.algorithm = InstructionSearch(self.components, self.source)
        algorithm: Algorithm = self.algorithm
        state = TrainState() if begun is None else restore(algorithm, begun)
        sinks = outside.sinks(STEPS, every_steps=1)
        self.stopped = False
        try:
            train(algorithm, None, sinks, state)
        except StoppedError:
            self.stopped = True


def test_a_search_for_an_instruction_finds_it_and_loads_no_model() -> None:
    """Each step's answers are a row, each state a checkpoint, and nobody asks for a policy."""
    outside = Outside()
    searched = Searched(outside)
    assert (searched.algorithm.best, searched.algorithm.highest, searched.algorithm.version) == ("Think.", 1.0, 6)
    assert [[answer.group for answer in answers[::QUESTIONS]] for answers, _ in outside.steps] == [
        ["Guess.", "Answer."], ["Think.", "Hurry."], ["Think twice.", "Answer now."],
    ]  # fmt: skip
    rewards = [metrics.values["reward_mean"] for _, metrics in outside.steps]
    assert rewards == [pytest.approx(2 / 3), 1.0, 1.0]
    assert [(snapshot.step, snapshot.trainer_state["best"]) for snapshot in outside.snapshots] == [
        (1, "Answer."), (2, "Think."), (3, "Think."),
    ]  # fmt: skip
    assert not {"model", "policy", "renderer", "rollouts"} & set(vars(searched.components))
    with pytest.raises(RefusedError, match="/nowhere/model"):
        _ = searched.components.model


@pytest.mark.parametrize("asked", range(1, 10))
def test_a_stopped_search_goes_on_to_the_same_end(tmp_path: Path, asked: int) -> None:
    """Stopped whenever the run asks if it should: before a step, in its rollouts, or between two of its updates."""
    whole = Outside()
    expected = Searched(whole).algorithm

    calls = iter(range(1, 100))
    before = Outside(stop_when=lambda _: next(calls) >= asked)
    first = Searched(before)
    assert first.stopped
    after = Outside()
    second = Searched(after, small.resumed(before.snapshots[-1], tmp_path))
    assert not second.stopped
    found = second.algorithm
    assert (found.best, found.highest, found.version) == (expected.best, expected.highest, expected.version)
    assert first.source.asked + second.source.asked == [one for one in RIGHT for _ in range(QUESTIONS)]
    recorded = [answer for answers, _ in (*before.steps, *after.steps) for answer in answers]
    assert recorded == [answer for answers, _ in whole.steps for answer in answers]
    assert after.snapshots[-1].trainer_state == whole.snapshots[-1].trainer_state

"""A step of GRPO: what is asked, what becomes of the answers, and which numbers it gives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.trainyard_trainer.policies import policy
from tests.trainyard_trainer.trajectories import segment, trajectory
from trainyard_api.algorithm import GRPOConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.algorithms.grpo import GRPO
from trainyard_trainer.algorithms.scored_batch import ScoredBatch
from trainyard_trainer.data.question_sources import DrawnQuestions
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.environment import Prompt
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.reporting.stopwatch import Stopwatch
from trainyard_trainer.rewards.reward import WeightedReward
from trainyard_trainer.rollouts.plans import training_plan
from trainyard_trainer.rollouts.source import RolloutPlan
from trainyard_trainer.tasks.calculator import CalculatorTask
from trainyard_trainer.trajectory import Trajectory, TrajectoryId, TrajectoryStatus

TASK = CalculatorTask({})
ASKED = Questions(DrawnQuestions(TASK, 0), TASK, 0, None)
SETTINGS = {"steps": 5, "prompts_per_step": 3, "group_size": 2}


class Answers:
    """A source that gives its trajectories in reverse order; the last sample of each prompt is right."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[Prompt], RolloutPlan]] = []

    def rollout(self, prompts: Sequence[Prompt], plan: RolloutPlan) -> Iterator[Trajectory]:
        self.asked.append((list(prompts), plan))
        for prompt in reversed(prompts):
            for sample in reversed(range(plan.group_size)):
                tokens = 2 + prompt.index
                yield trajectory(
                    id=TrajectoryId("run-1", prompt.step, prompt.index, sample),
                    group=f"{prompt.step}/{prompt.index}",
                    status=TrajectoryStatus.OK,
                    success=sample == plan.group_size - 1,
                    # No sampler's log-probabilities, so that no update can disagree with them.
                    segments=[segment(tokens, logprobs=(math.nan,) * (tokens + 1))],
                )


class Shown:
    """What the run says of itself."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    def phase(self, phase: str) -> None:
        self.phases.append(phase)


def success(one: Trajectory) -> float:
    """The reward."""
    return float(bool(one.success))


def broken(one: Trajectory) -> float:
    """A reward that has no value for the right answers."""
    return math.nan if one.success else 0.0


def grpo(function: Any = success, seed: int = 0, **changes: Any) -> GRPO:
    """The algorithm of a small run."""
    return GRPO(
        policy=policy(),
        longest_row=40,
        config=GRPOConfig(**(SETTINGS | changes)),
        rollouts=Answers(),
        questions=ASKED,
        rewards=(WeightedReward("success", 2.0, "spec.task.rewards[0].name", function=function),),
        seed=seed,
    )


def collected(algorithm: GRPO, step: int = 4) -> tuple[ScoredBatch, Shown, Stopwatch]:
    """A step's batch, what was shown meanwhile, and where the time went."""
    shown, watch = Shown(), Stopwatch()
    return algorithm.batch(algorithm.collect(step, watch, shown), step), shown, watch


def test_a_step_asks_its_own_questions_as_the_manifest_says() -> None:
    """The prompts of that step, sampled as training samples them."""
    algorithm = grpo()
    batch, shown, watch = collected(algorithm)
    ((prompts, plan),) = algorithm.rollouts.asked
    assert prompts == ASKED.training(4, 3)
    assert plan == training_plan(algorithm.config)
    assert (batch.step, batch.version, batch.done) == (4, 0, 0)
    assert shown.phases == ["rollout"]
    assert set(watch.seconds()) == {"rollout", "reward", "step"}


def test_answers_are_scored_and_compared_within_their_group_in_the_order_of_their_ids() -> None:
    """However the source ordered them; each group's advantages cancel, and the right one's is the positive one."""
    batch, *_ = collected(grpo())
    ids = [(one.id.prompt, one.id.sample) for one in batch.trajectories]
    assert ids == [(prompt, sample) for prompt in range(3) for sample in range(2)]
    assert [one.total_reward for one in batch.trajectories] == [0.0, 2.0] * 3
    for wrong, right in zip(batch.trajectories[::2], batch.trajectories[1::2], strict=True):
        assert right.advantage > 0
        assert wrong.advantage + right.advantage == pytest.approx(0.0)


def test_only_so_many_rewards_may_fail() -> None:
    """Half of them by default; the manifest may allow less."""
    assert [one.scored for one in collected(grpo(broken))[0].trajectories] == [True, False] * 3
    with pytest.raises(RefusedError) as refusal:
        collected(grpo(broken, max_failed_fraction="0.4"))
    assert refusal.value.reason is TerminationReason.REWARD_FAILED


def test_a_step_has_an_update_for_each_minibatch_of_each_pass() -> None:
    """So many as it promised, each of whole groups; the steps are the manifest's."""
    algorithm = grpo(minibatches=3, epochs=2)
    assert (algorithm.steps, algorithm.updates_per_step) == (5, 6)
    counts = [(done, count) for done, count, _ in algorithm.updates(collected(algorithm)[0])]
    assert counts == [(done, 6) for done in range(1, 7)]
    assert algorithm.version == 6


def test_the_order_of_updates_follows_the_runs_seed() -> None:
    """Another seed gives other updates of the same batch."""

    def losses(seed: int) -> list[Any]:
        algorithm = grpo(seed=seed, minibatches=3, epochs=2)
        *_, (_, _, batch) = algorithm.updates(collected(algorithm)[0])
        return list(batch.outcomes)

    assert losses(0) == losses(0)
    assert losses(0) != losses(1)


def test_a_finished_step_gives_its_trajectories_and_the_numbers_of_all_parts() -> None:
    """Of rollouts, rewards, groups, updates, and the time that each part took."""
    algorithm = grpo()
    *_, (_, _, batch) = algorithm.updates(collected(algorithm)[0])
    trajectories, values = algorithm.measured(batch, {"rollout": 1.0, "step": 2.0})
    assert trajectories == batch.trajectories
    assert (values["reward_mean"], values["success_rate"], values["frac_reward_zero_std"]) == (1.0, 0.5, 0.0)
    assert (values["rollout_seconds"], values["tokens_per_second"]) == (1.0, 18 / 2.0)
    assert values["trained_tokens"] == 18.0


def test_a_batch_comes_back_from_a_checkpoint() -> None:
    """The updates that it hadn't had yet go on from there."""
    algorithm = grpo(minibatches=2)
    batch, *_ = collected(algorithm)
    (done, count, after), *_ = algorithm.updates(batch)
    assert (done, count) == (1, 2)
    back = algorithm.batch_from_state(after.to_state())
    assert (back.done, back.outcomes) == (1, after.outcomes)
    assert repr(back.trajectories) == repr(after.trajectories)

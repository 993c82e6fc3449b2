"""The loop trains on what engines and sources elsewhere bring: new weights in mid-turn, rewritten histories, late work.

A fake remote engine samples with weights of its own, which change to the policy's in the middle of every turn. A fake
source adds a trajectory whose history was rewritten and a group that was asked for two steps ago. The gradient must be
that of the loss with truncated importance weights, as a slow and obvious computation in float64 finds it.
"""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainyard_trainer import small
from tests.trainyard_trainer.small import Outside
from trainyard_trainer.chat.renderer import Renderer
from trainyard_trainer.environment import Prompt
from trainyard_trainer.numbers import Numbers
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.loss import Loss
from trainyard_trainer.policy.torch_policy import TorchPolicy
from trainyard_trainer.randomness import Stream, StreamKey, uniforms
from trainyard_trainer.rewards.reward import WeightedReward
from trainyard_trainer.rollouts.in_process import SynchronousRollouts
from trainyard_trainer.rollouts.source import RolloutPlan
from trainyard_trainer.sampling.engine import Generation
from trainyard_trainer.tasks.calculator import CalculatorTask
from trainyard_trainer.training.train import train
from trainyard_trainer.training.train_state import TrainState
from trainyard_trainer.trajectory import FinishReason, Role, Sampling, Segment, Trajectory, TrajectoryId, Turn

NOW, OLD, OLDEST = 5, 4, 2
"""Versions of the policy."""
STEP = 3


@dataclass
class RemoteSession:
    """A conversation as the remote engine keeps it."""

    token_ids: list[int]
    sampled: int = 0


class RemoteEngine:
    """Samples with the weights of one version, and with those of another from the third token of a turn on."""

    def __init__(self, models: dict[int, Any], first: int, then: int) -> None:
        self._models, self._first, self._then = models, first, then

    def open_session(self) -> RemoteSession:
        return RemoteSession([])

    def close_session(self, session: Any) -> None:
        session.token_ids.clear()

    async def generate(self, session: Any, prompt_ids: Sequence[int], sampling: Sampling, key: StreamKey) -> Generation:
        session.token_ids += prompt_ids
        tokens: list[int] = []
        logprobs: list[float] = []
        versions: list[int] = []
        while len(tokens) < sampling.max_new_tokens and not set(tokens) & set(sampling.stop_ids):
            await asyncio.sleep(0)
            versions.append(self._first if len(tokens) < 2 else self._then)
            with torch.no_grad():
                logits = self._models[versions[-1]](input_ids=torch.tensor([session.token_ids])).logits[0, -1]
            distribution = torch.log_softmax(logits.double(), dim=-1).numpy()
            number = uniforms(key, session.sampled + len(tokens), 1)[0]
            tokens.append(int(min(np.searchsorted(np.exp(distribution).cumsum(), number), len(distribution) - 1)))
            logprobs.append(float(distribution[tokens[-1]]))
            session.token_ids.append(tokens[-1])
        session.sampled += len(tokens)
        stopped = tokens[-1] in sampling.stop_ids
        reason = FinishReason.STOP if stopped else FinishReason.LENGTH
        return Generation(tuple(tokens), tuple(logprobs), reason, tuple(versions))


class ForeignSource:
    """Gives what a source in this process gives, and more."""

    def __init__(self, renderer: Renderer, models: dict[int, Any]) -> None:
        self._renderer = renderer
        self._now = self._source(RemoteEngine(models, OLD, NOW))
        self._late = self._source(RemoteEngine(models, OLDEST, OLDEST))
        self._engine = RemoteEngine(models, OLD, NOW)

    def _source(self, engine: RemoteEngine) -> SynchronousRollouts:
        return SynchronousRollouts(
            engine=engine,
            task=CalculatorTask({}),
            task_name="calculator",
            renderer=self._renderer,
            run="run-1",
            seed=0,
            stop=Outside(),
        )

    def rollout(self, prompts: Sequence[Prompt], plan: RolloutPlan) -> Iterator[Trajectory]:
        """What was asked for, one of it with a rewritten history; then a group of two steps ago."""
        for trajectory in self._now.rollout(prompts, plan):
            first = trajectory.id.sample == 0 and trajectory.id.prompt == 0
            yield self._rewritten(trajectory) if first else trajectory
        yield from self._late.rollout([replace(prompts[0], step=STEP - 2)], plan)

    def _rewritten(self, trajectory: Trajectory) -> Trajectory:
        """The same with a second segment: behind the prompt the history is another, and the policy went on from it."""
        (segment,) = trajectory.segments
        fork_at = trajectory.turns[0].end
        history = (*segment.token_ids[:fork_at], 5, 6)
        session, sampling = self._engine.open_session(), Sampling(1.0, 8, ())
        key = StreamKey(1, Stream.TRAINING_TOKENS, STEP)
        said = asyncio.run(self._engine.generate(session, history, sampling, key))
        count = len(said.token_ids)
        fork = Segment(
            token_ids=history + said.token_ids,
            mask=(False,) * len(history) + (True,) * count,
            logprobs=(math.nan,) * len(history) + said.logprobs,
            policy_versions=(OLD,) * len(history) + said.policy_versions,
            parent=0,
            fork_at=fork_at,
        )
        place = (len(history), len(history) + count)
        turn = Turn(1, *place, Role.POLICY, "", trajectory.started_at, 0.1, sampling, said.finish_reason)
        return replace(trajectory, segments=(segment, fork), turns=(*trajectory.turns, turn))


class Recording(TorchPolicy):
    """A policy that remembers the gradient of its update, before it is clipped."""

    gradient: torch.Tensor

    def update(self, rows: Sequence[Row], loss: Loss) -> Numbers:
        """As every policy's."""
        self.accumulate(rows, loss)
        self.gradient = torch.cat([one.grad.flatten().double() for one in self.trained if one.grad is not None])
        return super().update(rows, loss)


def slow_gradient(model: Any, trajectories: Sequence[Trajectory], largest_weight: float | None) -> torch.Tensor:
    """Gradient of -sum(w A log p) / tokens in float64, each segment alone; w is 1 for tokens of the policy of now."""
    model = copy.deepcopy(model).double()
    tokens = sum(trajectory.policy_tokens for trajectory in trajectories)
    total = torch.zeros((), dtype=torch.float64)
    for trajectory in trajectories:
        for segment in trajectory.segments:
            logits = model(input_ids=torch.tensor([segment.token_ids]), use_cache=False).logits[0]
            for place in np.flatnonzero(segment.mask).tolist():
                logprob = torch.log_softmax(logits[place - 1], dim=-1)[segment.token_ids[place]]
                weight = 1.0
                if largest_weight is not None and segment.policy_versions[place] != NOW:
                    weight = min(math.exp(logprob.item() - segment.logprobs[place]), largest_weight)
                total = total - weight * trajectory.advantage * logprob / tokens
    gradients = torch.autograd.grad(total, list(model.parameters()))
    return torch.cat([gradient.flatten() for gradient in gradients])


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Relative difference of two gradients."""
    return float((found - expected).norm() / expected.norm())


@pytest.fixture
def trained() -> tuple[Recording, Any, Outside]:
    """A policy after one step with a foreign source, its model of before, and what was recorded."""
    settings = {**small.GRPO, "steps": STEP + 1}
    config = small.config(algorithm={"type": "GRPO", "seed": 0, "grpo": settings})
    outside = Outside()
    components = small.components(outside, config)
    policy = components.policy
    policy.__class__ = Recording
    policy.load_state(policy.state() | {"policy_version": NOW})
    policy.prepare(100)
    before = copy.deepcopy(policy.model)
    models = {NOW: before}
    for version in (OLD, OLDEST):
        torch.manual_seed(version)
        models[version] = copy.deepcopy(before)
        with torch.no_grad():
            for parameter in models[version].parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    reward = WeightedReward("ids", 1.0, "spec.task.rewards[0]", lambda one: float(sum(one.segments[-1].token_ids) % 7))
    foreign = ForeignSource(components.renderer, models)
    algorithm = replace(small.algorithm(outside, config), policy=policy, rollouts=foreign, rewards=(reward,))
    train(algorithm, None, outside.sinks(STEP + 1), TrainState(step=STEP))
    return policy, before, outside


def test_the_gradient_makes_up_for_what_other_versions_sampled(trained: tuple[Recording, Any, Outside]) -> None:
    """Equal to the slow one with weights of at most 2 on stale tokens; without them it would be another."""
    policy, before, outside = trained
    ((trajectories, _),) = outside.steps
    assert policy.version == NOW + 1
    assert difference(policy.gradient, slow_gradient(before, trajectories, largest_weight=2.0)) <= 1e-5
    assert difference(policy.gradient, slow_gradient(before, trajectories, largest_weight=None)) >= 0.02
    assert difference(policy.gradient, slow_gradient(before, trajectories, largest_weight=1e9)) >= 1e-3


def test_versions_forks_and_late_work_come_through_as_they_were(trained: tuple[Recording, Any, Outside]) -> None:
    """Every token keeps its version, the fork its parent, and late trajectories the step that asked for them."""
    _, _, outside = trained
    ((trajectories, metrics),) = outside.steps
    assert metrics.step == STEP
    by_step = {step: [one for one in trajectories if one.id.step == step] for step in (STEP - 2, STEP)}
    assert [len(by_step[step]) for step in (STEP - 2, STEP)] == [4, 12]
    for late in by_step[STEP - 2]:
        assert set(late.segments[0].policy_versions) == {OLDEST}
        assert late.group == f"{STEP - 2}/0"
    forked = next(one for one in trajectories if one.id == TrajectoryId("run-1", STEP, 0, 0))
    assert [(one.parent, one.fork_at) for one in forked.segments] == [(None, None), (0, forked.turns[0].end)]
    for one in by_step[STEP]:
        for turn in (turn for turn in one.turns if turn.role is Role.POLICY):
            versions = one.segments[turn.segment].policy_versions[turn.start : turn.end]
            assert versions == (OLD, OLD, *(NOW,) * (len(versions) - 2))[: len(versions)]


def test_a_forked_trajectory_counts_once_in_its_group(trained: tuple[Recording, Any, Outside]) -> None:
    """Group statistics are over trajectories: the mean of a group's advantages is 0 with the fork in it, too."""
    _, _, outside = trained
    ((trajectories, _),) = outside.steps
    for group in {one.group for one in trajectories}:
        assert sum(one.advantage for one in trajectories if one.group == group) == pytest.approx(0.0, abs=1e-9)

"""GRPO's loop: rows and reports of every step, stops at any moment, and exact continuation."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
import torch

from tests.trainyard_trainer import small
from tests.trainyard_trainer.small import Outside
from trainyard_api.run_config import RunConfig
from trainyard_trainer import train as module
from trainyard_trainer.errors import StoppedError
from trainyard_trainer.train import train


def go(outside: Outside, config: RunConfig, folder: Path | None = None, **options: int) -> None:
    """Train as the config says."""
    settings = config.algorithm.grpo
    train(settings, small.parts(outside, config, folder), outside.outlets(settings.steps, every_steps=2), **options)


def grpo(steps: int, model: dict[str, object] | None = None) -> RunConfig:
    """A small config with a reward that differs even between an untrained model's trajectories."""
    settings = small.GRPO | {"steps": steps}
    return small.config(
        algorithm={"type": "GRPO", "seed": 0, "grpo": settings}, model=model or {"scratch": {}}, task=small.LENGTH_TASK
    )


@pytest.fixture
def length_reward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with the reward `length`."""
    small.install_reward(tmp_path, "length", "return float(trajectory.policy_tokens)")
    monkeypatch.syspath_prepend(str(tmp_path))


def weights(outside: Outside) -> bytes:
    """The newest snapshot's weights."""
    return outside.snapshots[-1].files["model.safetensors"]


@pytest.mark.usefixtures("length_reward")
def test_every_step_is_recorded_once_with_its_trajectories() -> None:
    """Prompts x group size trajectories per step, their ids complete, and a report of every finished step."""
    outside = Outside()
    go(outside, grpo(3))
    assert [metrics.step for _, metrics in outside.steps] == [0, 1, 2]
    for step, (trajectories, metrics) in enumerate(outside.steps):
        ids = [(t.id.step, t.id.prompt, t.id.sample) for t in trajectories]
        assert ids == [(step, prompt, sample) for prompt in range(3) for sample in range(4)]
        assert metrics.policy_version == step + 1
        assert metrics.values["sampler_gap"] < 1e-4
        assert any(t.advantage != 0 for t in trajectories)
    assert {r.steps for r in outside.reports if r.step} == {"1/3", "2/3", "3/3"}
    assert [s.step for s in outside.snapshots] == [2, 3]


@pytest.mark.usefixtures("length_reward")
def test_four_steps_are_two_and_two_more_byte_for_byte(tmp_path: Path) -> None:
    """From a snapshot's files and trainer state, training goes on as if it had never stopped: weights and optimizer."""
    whole, first, second = Outside(), Outside(), Outside()
    go(whole, grpo(4))
    go(first, grpo(2))
    state = first.snapshots[-1].trainer_state
    torch.save(state, tmp_path / "state.pt")
    config = grpo(4, model={"path": str(small.write(first.snapshots[-1], tmp_path / "saved"))})
    parts = small.parts(second, config)
    parts.policy.load_state(torch.load(tmp_path / "state.pt", weights_only=True))
    train(config.algorithm.grpo, parts, second.outlets(4), first_step=state["step"])
    assert weights(second) == weights(whole) != weights(first)
    for mine, theirs in zip(*(small.tensors(o.snapshots[-1].trainer_state) for o in (second, whole)), strict=True):
        assert torch.equal(mine, theirs)
    assert small.tokens(second.steps[-1][0]) == small.tokens(whole.steps[-1][0])


@pytest.mark.usefixtures("length_reward")
def test_a_stop_during_a_rollout_saves_the_state_at_the_start_of_its_step() -> None:
    """The step's unfinished work is dropped: nothing of it is recorded."""
    until, asked = Outside(), 0
    go(until, grpo(2))

    def in_third_step(outside: Outside) -> bool:
        nonlocal asked
        asked += len(outside.steps) == 2
        return asked > 2

    outside = Outside(stop_when=in_third_step)
    with pytest.raises(StoppedError) as stop:
        go(outside, grpo(4))
    assert stop.value.last_step == 2
    assert len(outside.steps) == 2
    assert weights(outside) == weights(until)


@pytest.mark.usefixtures("length_reward")
def test_a_stop_between_steps_saves_the_finished_step() -> None:
    """A stop that comes during the update waits for its end."""
    outside = Outside(stop_when=lambda outside: len(outside.steps) == 1)
    with pytest.raises(StoppedError) as stop:
        go(outside, grpo(4))
    assert (stop.value.last_step, outside.snapshots[-1].step, len(outside.steps)) == (1, 1, 1)
    assert outside.snapshots[-1].metrics["reward_mean"]


def test_the_method_fits_on_one_screen() -> None:
    """At most 60 lines, signature and docstring included."""
    (function,) = (node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.FunctionDef))
    assert function.end_lineno - function.lineno < 60

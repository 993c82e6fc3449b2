"""The loop, with GRPO: rows and reports of every step, stops at any moment, and exact continuation."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainyard_trainer import small
from tests.trainyard_trainer.saved_models import contents
from tests.trainyard_trainer.small import Outside
from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError, StoppedError
from trainyard_trainer.sinks import Snapshot
from trainyard_trainer.training import train as module
from trainyard_trainer.training.train_state import TrainState

SHORT = {"promptsPerStep": 6, "maxTurns": 2}
TWO_BY_TWO = {"minibatches": 2, "epochs": 2}


def grpo(steps: int, **settings: Any) -> RunConfig:
    """A small config with a reward that differs even between an untrained model's trajectories."""
    return small.config(
        algorithm={"type": "GRPO", "seed": 0, "grpo": small.GRPO | SHORT | {"steps": steps} | settings},
        task=small.PARTLY_RIGHT,
    )


def go(outside: Outside, config: RunConfig, resumed: Any = None) -> TrainState:
    """Train as the config says, with a checkpoint every other step; where the run stands then."""
    return small.go(outside, config, resumed, every_steps=2)


def weights(snapshot: Snapshot) -> bytes:
    """A snapshot's weights."""
    return contents(snapshot.files)["model.safetensors"]


def assert_same_end(one: Outside, other: Outside) -> None:
    """The same final weights, optimizer and last trajectories."""
    mine, theirs = one.snapshots[-1], other.snapshots[-1]
    assert weights(mine) == weights(theirs)
    pairs = zip(small.tensors(mine.trainer_state), small.tensors(theirs.trainer_state), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert mine.trainer_state["position"] == theirs.trainer_state["position"]
    assert small.tokens(one.steps[-1][0]) == small.tokens(other.steps[-1][0])
    clocked = ("_seconds", "_per_second")
    last = [{n: v for n, v in o.steps[-1][1].values.items() if not n.endswith(clocked)} for o in (one, other)]
    assert json.dumps(last[0]) == json.dumps(last[1]), "to the byte: 1 isn't 1.0"


def test_every_step_is_recorded_once_with_its_trajectories() -> None:
    """Prompts x group size trajectories per step, their ids complete, and a report of every finished step."""
    outside = Outside()
    state = go(outside, grpo(3))
    assert [metrics.step for _, metrics in outside.steps] == [0, 1, 2]
    for step, (trajectories, metrics) in enumerate(outside.steps):
        ids = [(t.id.step, t.id.prompt, t.id.sample) for t in trajectories]
        assert ids == [(step, prompt, sample) for prompt in range(6) for sample in range(4)]
        assert metrics.policy_version == step + 1
        assert metrics.values["sampling_logp_difference/max"] < 1e-4
    assert sum(any(t.advantage != 0 for t in trajectories) for trajectories, _ in outside.steps) >= 2
    assert {r.steps for r in outside.reports if r.step} == {"1/3", "2/3", "3/3"}
    assert [s.step for s in outside.snapshots] == [2, 3]
    assert (state.step, state.batch) == (3, None)


def test_phases_count_the_updates_of_a_step() -> None:
    """Two minibatches in two passes are four updates, which are shown one by one."""
    outside = Outside()
    go(outside, grpo(1, **TWO_BY_TWO))
    phases = list(dict.fromkeys(report.phase for report in outside.reports))
    assert phases == ["rollout", *(f"update {k} of 4" for k in (1, 2, 3, 4)), "saving"]
    assert outside.steps[0][1].policy_version == 4


@pytest.mark.parametrize("settings", [{}, TWO_BY_TWO], ids=["one update", "two by two"])
def test_four_steps_are_two_and_two_more_byte_for_byte(tmp_path: Path, settings: dict[str, int]) -> None:
    """From a snapshot's files and trainer state, training goes on as if it had never stopped: weights and optimizer."""
    whole, first, second = Outside(), Outside(), Outside()
    go(whole, grpo(4, **settings))
    go(first, grpo(2, **settings))
    go(second, grpo(4, **settings), small.resumed(first.snapshots[-1], tmp_path / "saved"))
    assert [metrics.step for _, metrics in second.steps] == [2, 3]
    assert_same_end(second, whole)
    assert weights(second.snapshots[-1]) != weights(first.snapshots[-1])


def test_a_stop_during_a_rollout_leaves_the_state_at_the_start_of_its_step() -> None:
    """The step's unfinished work is dropped: nothing of it is recorded."""
    asked = 0

    def in_third_step(outside: Outside) -> bool:
        nonlocal asked
        asked += len(outside.steps) == 2
        return asked > 3

    outside = Outside(stop_when=in_third_step)
    with pytest.raises(StoppedError) as stop:
        go(outside, grpo(4))
    assert len(outside.steps) == 2
    assert (outside.snapshots[-1].step, outside.snapshots[-1].updates) == (2, None)
    assert stop.value.dropped_seconds > 0


def test_a_stop_between_steps_saves_the_finished_step() -> None:
    """A stop that comes during a step's only update waits for its end."""
    outside = Outside(stop_when=lambda outside: len(outside.steps) == 1)
    with pytest.raises(StoppedError) as stop:
        go(outside, grpo(4))
    assert (stop.value.last_step, outside.snapshots[-1].step, len(outside.steps)) == (1, 1, 1)
    assert outside.snapshots[-1].metrics["reward_mean"]


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_stop_between_two_updates_keeps_the_batch_and_generates_nothing_twice(tmp_path: Path, done: int) -> None:
    """Weights, optimizer, the scored batch and how many updates it has had: the rest of them follows, no rollout."""

    def after_so_many(outside: Outside) -> bool:
        phases = [report.phase for report in outside.reports if report.step == 1]
        return "rollout" in phases and f"update {done + 1} of 4" in phases[phases.index("rollout") :]

    whole, first, second = Outside(), Outside(stop_when=after_so_many), Outside()
    go(whole, grpo(3, **TWO_BY_TWO))
    with pytest.raises(StoppedError) as stop:
        go(first, grpo(3, **TWO_BY_TWO))
    assert (stop.value.last_step, stop.value.committed_uri) == (1, f"file:///x/1-u{done}/")
    snapshot = first.snapshots[-1]
    assert (snapshot.step, snapshot.updates, len(first.steps)) == (1, done, 1)
    go(second, grpo(3, **TWO_BY_TWO), small.resumed(snapshot, tmp_path / "saved"))
    assert next(report.phase for report in second.reports) == f"update {done + 1} of 4"
    assert [report.phase for report in second.reports].count("rollout") == 1
    assert [t.id for t in second.steps[0][0]] == [t.id for t in whole.steps[1][0]]
    assert_same_end(second, whole)


@pytest.mark.parametrize("settings", [{}, TWO_BY_TWO], ids=["one update", "two by two"])
@pytest.mark.parametrize("passes", [1, 3])
def test_a_stop_inside_an_update_drops_it_and_generates_nothing_twice(
    tmp_path: Path, settings: dict[str, int], passes: int
) -> None:
    """Of many passes few are done: the scored batch is kept with the updates before, and all goes on from there."""
    config = grpo(3, **settings)
    config = config.model_copy(update={"algorithm": config.algorithm.model_copy(update={"micro_batch_tokens": 16})})
    asked, done = 0, 1 if settings else 0

    def in_second_step(outside: Outside) -> bool:
        nonlocal asked
        phases = [report.phase for report in outside.reports if report.step == 1]
        asked += "rollout" in phases and phases[-1].startswith(f"update {done + 1} ")
        return asked > passes

    whole, first, second = Outside(), Outside(stop_when=in_second_step), Outside()
    go(whole, config)
    with pytest.raises(StoppedError) as stop:
        go(first, config)
    assert (stop.value.last_step, stop.value.committed_uri) == (1, f"file:///x/1-u{done}/")
    assert (stop.value.dropped_seconds > 0, len(first.steps)) == (True, 1)
    go(second, config, small.resumed(first.snapshots[-1], tmp_path / "saved"))
    assert [report.phase for report in second.reports].count("rollout") == 1
    assert_same_end(second, whole)


def test_a_stop_inside_an_update_that_is_nearly_done_finishes_it() -> None:
    """One pass of many is left: to do the others again would take longer."""
    config = grpo(2)
    config = config.model_copy(update={"algorithm": config.algorithm.model_copy(update={"micro_batch_tokens": 16})})
    asked: list[int] = []

    def counted(outside: Outside) -> bool:
        in_update = outside.reports[-1].phase == "update 1 of 1" if outside.reports else False
        asked.append(in_update)
        return False

    go(Outside(stop_when=counted), config)
    of_one = sum(asked) // 2
    assert of_one > 4
    left = iter([False] * (of_one - 1))

    def near_the_end(outside: Outside) -> bool:
        in_update = outside.reports[-1].phase == "update 1 of 1" if outside.reports else False
        return next(left, True) if in_update else len(outside.steps) == 1

    outside = Outside(stop_when=near_the_end)
    with pytest.raises(StoppedError) as stop:
        go(outside, config)
    assert (stop.value.last_step, stop.value.committed_uri, stop.value.dropped_seconds) == (1, "file:///x/1/", 0.0)


def test_three_updates_in_a_row_that_are_not_finite_end_the_run_over_a_resume_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two are skipped, counted and survived; the run stops, goes on, and the third is the end, with the reason."""
    from trainyard_trainer.policy.torch_policy import TorchPolicy

    real = TorchPolicy.update

    def poisoned(policy: TorchPolicy, rows: Any, loss: Any) -> Any:
        def nan(inputs: Any) -> Any:
            losses = loss(inputs)
            return replace(losses, losses=losses.losses * float("nan"))

        return real(policy, rows, replace(loss, of=nan))

    monkeypatch.setattr(TorchPolicy, "update", poisoned)
    first = Outside(stop_when=lambda outside: len(outside.steps) == 2)
    with pytest.raises(StoppedError):
        go(first, grpo(9))
    assert [metrics.values["skipped_updates"] for _, metrics in first.steps] == [1.0, 1.0]
    assert first.snapshots[-1].trainer_state["skipped_in_a_row"] == 2
    second = Outside()
    with pytest.raises(RefusedError) as refused:
        go(second, grpo(9), small.resumed(first.snapshots[-1], tmp_path / "saved"))
    assert refused.value.reason == TerminationReason.NOT_FINITE
    assert "3 updates in a row weren't" in str(refused.value)
    assert second.steps == []


def test_a_step_of_which_nothing_is_trained_is_a_step() -> None:
    """All groups without variance, and left out: no update, rows all the same, and the run goes on."""
    outside = Outside()
    config = small.config(
        algorithm={"type": "GRPO", "seed": 0, "grpo": small.GRPO | {"dropZeroVarianceGroups": True}},
        task={"name": "calculator", "rewards": [{"name": "exact"}]},
    )
    state = go(outside, config)
    assert state.step == len(outside.steps) == 2
    assert [metrics.policy_version for _, metrics in outside.steps] == [0, 0]


def test_the_loop_fits_on_one_screen() -> None:
    """The whole file, docstrings and imports included."""
    assert len(inspect.getsource(module).splitlines()) <= 60

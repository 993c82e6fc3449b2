"""Measurements of a step: what is counted, and what is left out."""

from __future__ import annotations

import math
import statistics
from datetime import UTC, datetime

import pytest

from tests.trainyard_trainer import small
from tests.trainyard_trainer.policies import row
from tests.trainyard_trainer.trajectories import segment, trajectory
from trainyard_trainer.algorithms import losses
from trainyard_trainer.algorithms.metrics import as_decimals, grpo_values, rollout_values, sft_values
from trainyard_trainer.algorithms.scored_batch import ScoredBatch
from trainyard_trainer.numbers import Kind, largest, mean, total
from trainyard_trainer.policy.loss import TokenNumber
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.trajectory import CallOutcome, Role, TrajectoryStatus, Turn

OUTCOME = {
    "loss": mean(0.25),
    "grad_norm": mean(1.5),
    "entropy": mean(5.0, 10),
    "sampling_logp_difference/max": largest(1e-6),
    "sampling_logp_difference/mean": mean(2e-5, 10),
    "kl": mean(0.1, 10),
    "clip_ratio/low_mean": mean(2.0, 10),
    "clip_ratio/high_mean": mean(3.0, 10),
    "trained_tokens": total(10),
    "skipped_updates": total(0),
    "out_of_memory": total(1),
}
SECONDS = {"rollout": 1.0, "reward": 0.5, "update": 0.5, "step": 2.0}
CALL = Turn(
    0, 1, 3, Role.POLICY, "C1;", datetime(2026, 1, 1, tzinfo=UTC), 0.1, calls=(CallOutcome("1", "error: no", ok=False),)
)
STEP = [
    trajectory(1.0, sample=0, success=True, turns=(CALL,), advantage=0.7),
    trajectory(0.0, sample=1, segments=(segment(5),), status=TrajectoryStatus.TRUNCATED, advantage=-0.7),
    trajectory(sample=2, status=TrajectoryStatus.FAILED_REWARD),
    trajectory(sample=3, status=TrajectoryStatus.FAILED_ENVIRONMENT, success=None),
    trajectory(0.5, prompt=1),
]


def test_failed_trajectories_are_counted_and_left_out_of_rewards() -> None:
    """Mean and deviation are of the scored ones; success is of those with a verdict."""
    values = rollout_values(STEP)
    assert values["reward_mean"] == pytest.approx(0.5)
    assert values["reward_std"] == pytest.approx(statistics.stdev([1.0, 0.0, 0.5]))
    assert (values["success_rate"], values["tool_rate"]) == (1 / 3, 1 / 3), "one whose reward failed has no verdict"
    assert (values["failed_trajectories"], values["truncated"]) == (2, 1)
    assert (values["tokens"], values["policy_tokens"]) == (4 * 4 + 6, 4 * 3 + 5)
    assert (values["length_right"], values["length_wrong"]) == (3.0, (5 + 3) / 2)


def test_a_grpo_step_has_every_measurement() -> None:
    """Names that users look for, durations under `_seconds`."""
    values = grpo_values(ScoredBatch(7, 8, tuple(STEP), outcomes=(OUTCOME,)), SECONDS)
    assert set(values) == {
        *("reward_mean", "reward_std", "success_rate", "tool_rate", "frac_reward_zero_std", "failed_trajectories"),
        *("truncated", "tokens", "policy_tokens", "completions/mean_length", "length_right", "length_wrong"),
        *("rollout_seconds", "reward_seconds", "update_seconds", "step_seconds", "tokens_per_second", *OUTCOME),
    }
    assert values["tokens_per_second"] == 17 / 2.0
    assert (values["frac_reward_zero_std"], values["completions/mean_length"]) == (0.5, 17 / 5)


def test_a_new_number_is_one_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Declared beside the loss that makes it, it comes to rows and checkpoints with every other."""
    farthest = TokenNumber(Kind.MAX, lambda inputs, _: (inputs.logprobs - inputs.old_logprobs).abs())
    monkeypatch.setitem(losses.NUMBERS, "log_ratio/max", farthest)
    outside = small.Outside()
    small.go(outside, small.config(task=small.PARTLY_RIGHT))
    (_, first), *_ = outside.steps
    assert first.values["log_ratio/max"] == 0.0, "one update on its own samples"
    assert outside.snapshots[-1].metrics["log_ratio/max"] == "0.000000"


@pytest.mark.parametrize(("seconds", "speed"), [(0.5, 20.0), (4.0, 2.5), (0.0, 1e10)])
def test_speed_is_tokens_by_the_seconds_of_the_step(seconds: float, speed: float) -> None:
    """A step that no clock saw divides nothing by zero."""
    values = sft_values([row(0, 9)], {}, {"step": seconds})
    assert values["tokens_per_second"] == pytest.approx(speed)


def test_what_has_no_value_is_absent() -> None:
    """NaN never leaves the trainer as a number."""
    bare = grpo_values(ScoredBatch(0, 0, (STEP[2],), outcomes=({"loss": mean(math.nan)},)), SECONDS)
    assert not {"loss", "frac_reward_zero_std", "reward_mean"} & set(bare)
    assert "reward_std" not in rollout_values(STEP[:1])
    assert rollout_values(STEP[:2])["reward_std"] == pytest.approx(math.sqrt(0.5)), "two rewards have a deviation"
    assert "reward_mean" not in rollout_values(STEP[2:3])
    assert "success_rate" not in rollout_values(STEP[3:4])


def test_a_checkpoint_carries_measurements_that_a_replay_gives_again() -> None:
    """As decimal strings, without durations and speeds."""
    rows = [row(0, 7), row(1, 3)]
    values = sft_values(rows, OUTCOME, {"step": 2.0})
    assert values["tokens_per_second"] == 6.0
    assert as_decimals(StepMetrics("step", 3, 4, values)) == {
        "loss": "0.250000",
        "grad_norm": "1.500000",
        "entropy": "0.500000",
        "sampling_logp_difference/max": "0.000001",
        "sampling_logp_difference/mean": "0.000002",
        "kl": "0.010000",
        "clip_ratio/low_mean": "0.200000",
        "clip_ratio/high_mean": "0.300000",
        "trained_tokens": "10.000000",
        "out_of_memory": "1.000000",
        "skipped_updates": "0.000000",
        "tokens": "12.000000",
        "policy_tokens": "10.000000",
    }
    assert as_decimals(None) == {}

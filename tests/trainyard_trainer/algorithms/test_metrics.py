"""Measurements of a step: what is counted, and what is left out."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime

import pytest

from tests.trainyard_trainer.trajectories import segment, trajectory
from trainyard_trainer.algorithms.metrics import as_decimals, grpo_metrics, rollout_values, sft_metrics, update_values
from trainyard_trainer.policy.policy import UpdateOutcome
from trainyard_trainer.trajectory import CallOutcome, Role, TrajectoryStatus, Turn

OUTCOME = UpdateOutcome(
    *(0.25, 1.5, 0.5, 1e-6),
    skipped=False,
    kl=0.01,
    clip_low=0.2,
    clip_high=0.3,
    out_of_memory=1,
    sampler_gap_mean=2e-6,
)
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
    assert (values["success_rate"], values["tool_rate"]) == (0.25, 0.25)
    assert (values["failed_trajectories"], values["truncated"]) == (2, 1)
    assert (values["tokens"], values["policy_tokens"]) == (4 * 4 + 6, 4 * 3 + 5)
    assert (values["length_right"], values["length_wrong"]) == (3.0, (5 + 3 + 3) / 3)


def test_a_grpo_step_has_every_measurement() -> None:
    """Names that users look for, durations under `_seconds`."""
    metrics = grpo_metrics(7, 8, STEP, OUTCOME, SECONDS)
    assert (metrics.kind, metrics.step, metrics.policy_version) == ("step", 7, 8)
    assert set(metrics.values) == {
        *("reward_mean", "reward_std", "success_rate", "tool_rate", "zero_variance_groups", "failed_trajectories"),
        *("truncated", "tokens", "policy_tokens", "tokens_per_second", "loss", "grad_norm", "entropy", "sampler_gap"),
        "sampler_gap_mean",
        *("length_right", "length_wrong", "kl", "clip_low", "clip_high", "out_of_memory"),
        *("skipped_updates", "rollout_seconds", "reward_seconds", "update_seconds", "step_seconds"),
    }
    assert metrics.values["tokens_per_second"] == 17 / 2.0
    assert metrics.values["zero_variance_groups"] == 1


def test_what_has_no_value_is_absent() -> None:
    """NaN never leaves the trainer as a number."""
    values = update_values(UpdateOutcome(None, None, None, None, skipped=True))
    assert values == {"skipped_updates": 1.0, "out_of_memory": 0.0}
    assert "reward_std" not in rollout_values(STEP[:1])
    assert "reward_mean" not in rollout_values(STEP[2:3])
    assert "success_rate" not in rollout_values(STEP[3:4])


def test_a_checkpoint_carries_measurements_that_a_replay_gives_again() -> None:
    """As decimal strings, without durations and speeds."""
    metrics = sft_metrics(3, 4, tokens=100, policy_tokens=40, outcome=OUTCOME, seconds={"step": 2.0})
    assert metrics.values["tokens_per_second"] == 50.0
    assert as_decimals(metrics) == {
        "loss": "0.250000",
        "grad_norm": "1.500000",
        "entropy": "0.500000",
        "sampler_gap": "0.000001",
        "sampler_gap_mean": "0.000002",
        "kl": "0.010000",
        "clip_low": "0.200000",
        "clip_high": "0.300000",
        "out_of_memory": "1.000000",
        "skipped_updates": "0.000000",
        "tokens": "100.000000",
        "policy_tokens": "40.000000",
    }
    assert as_decimals(None) == {}

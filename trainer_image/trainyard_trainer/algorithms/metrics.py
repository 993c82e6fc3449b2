"""What is measured of a step, as named numbers.

Place in the data's way: from stations 5 to 8 to stations 9, 10 and 11. Pure. A value that doesn't exist is absent;
seconds stand under names that end in `_seconds`.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from trainyard_api.decimals import measured
from trainyard_trainer.algorithms.advantages import zero_variance_groups
from trainyard_trainer.policy.policy import UpdateOutcome
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.trajectory import Trajectory, TrajectoryStatus

FAILED = frozenset({TrajectoryStatus.FAILED_ENVIRONMENT, TrajectoryStatus.FAILED_REWARD})


def rollout_values(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """Rewards, verdicts and tokens of trajectories.

    `reward_std` has ddof 1. `success_rate` and `tool_rate` are shares of the trajectories with a verdict: those that
    are right, and those with a tool call, even one that failed. `tokens` counts what the policy read and sampled,
    `policy_tokens` what it sampled. `length_right` and `length_wrong` are mean policy tokens of answers with each
    verdict: a loss that favours long wrong answers shows there.
    """
    rewards = [trajectory.total_reward for trajectory in trajectories if trajectory.total_reward is not None]
    judged = [trajectory for trajectory in trajectories if trajectory.success is not None]
    values: dict[str, float] = {
        "failed_trajectories": sum(trajectory.status in FAILED for trajectory in trajectories),
        "truncated": sum(trajectory.status is TrajectoryStatus.TRUNCATED for trajectory in trajectories),
        "tokens": sum(len(segment.token_ids) for trajectory in trajectories for segment in trajectory.segments),
        "policy_tokens": sum(trajectory.policy_tokens for trajectory in trajectories),
    }
    if rewards:
        values["reward_mean"] = statistics.fmean(rewards)
    if len(rewards) >= 2:
        values["reward_std"] = statistics.stdev(rewards)
    if judged:
        values["success_rate"] = sum(bool(trajectory.success) for trajectory in judged) / len(judged)
        values["tool_rate"] = sum(_called_a_tool(trajectory) for trajectory in judged) / len(judged)
    for name, verdict in (("length_right", True), ("length_wrong", False)):
        lengths = [trajectory.policy_tokens for trajectory in judged if trajectory.success is verdict]
        if lengths:
            values[name] = statistics.fmean(lengths)
    return values


def update_values(outcome: UpdateOutcome) -> dict[str, float]:
    """What an update measured, by the names of `policy.policy.UpdateOutcome`; what doesn't exist is left out."""
    measurements = {
        "loss": outcome.loss,
        "grad_norm": outcome.grad_norm,
        "entropy": outcome.entropy,
        "sampler_gap": outcome.sampler_gap,
        "sampler_gap_mean": outcome.sampler_gap_mean,
        "kl": outcome.kl,
        "clip_low": outcome.clip_low,
        "clip_high": outcome.clip_high,
    }
    values = {name: value for name, value in measurements.items() if value is not None}
    return values | {"skipped_updates": float(outcome.skipped), "out_of_memory": float(outcome.out_of_memory)}


def grpo_metrics(
    step: int,
    policy_version: int,
    trajectories: Sequence[Trajectory],
    outcome: UpdateOutcome,
    seconds: Mapping[str, float],
) -> StepMetrics:
    """Everything measured of one GRPO step; `seconds` by part: rollout, reward, update, step."""
    values = rollout_values(trajectories) | update_values(outcome)
    values["zero_variance_groups"] = zero_variance_groups(trajectories)
    values["tokens_per_second"] = values["policy_tokens"] / max(seconds["step"], 1e-9)
    values |= {f"{part}_seconds": duration for part, duration in seconds.items()}
    return StepMetrics("step", step, policy_version, values)


def sft_metrics(
    step: int,
    policy_version: int,
    *,
    tokens: int,
    policy_tokens: int,
    outcome: UpdateOutcome,
    seconds: Mapping[str, float],
) -> StepMetrics:
    """Everything measured of one step of supervised fine-tuning; tokens of the demonstrations, seconds by part."""
    values = update_values(outcome) | {"tokens": float(tokens), "policy_tokens": float(policy_tokens)}
    values["tokens_per_second"] = tokens / max(seconds["step"], 1e-9)
    values |= {f"{part}_seconds": duration for part, duration in seconds.items()}
    return StepMetrics("step", step, policy_version, values)


def as_decimals(metrics: StepMetrics | None) -> dict[str, str]:
    """Measurements as a checkpoint carries them: decimal strings, without what depends on the clock."""
    if metrics is None:
        return {}
    timeless = {name: value for name, value in metrics.values.items() if not name.endswith(("_seconds", "_second"))}
    texts = {name: measured(value, places=6) for name, value in timeless.items()}
    return {name: text for name, text in texts.items() if text is not None}


def _called_a_tool(trajectory: Trajectory) -> bool:
    return any(turn.calls for turn in trajectory.turns)

"""Names what is measured of a step.

Place in the data's way: from stations 5 to 8 to stations 9, 10 and 11. Pure. A value that doesn't exist is absent;
seconds stand under names that end in `_seconds`.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from trainyard_api.decimals import measured
from trainyard_trainer.algorithms.advantages import frac_reward_zero_std
from trainyard_trainer.algorithms.scored_batch import NOTHING_TO_TRAIN, ScoredBatch
from trainyard_trainer.numbers import Numbers, merged, values_of
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.trajectory import Trajectory, TrajectoryStatus

FAILED = frozenset({TrajectoryStatus.FAILED_ENVIRONMENT, TrajectoryStatus.FAILED_REWARD})


def rollout_values(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """Measures rewards, verdicts and tokens of trajectories.

    `reward_std` has ddof 1. `success_rate` and `tool_rate` are shares of the trajectories with a verdict: those that
    are right, and those with a tool call, even one that failed. `tokens` counts what the policy read and sampled,
    `policy_tokens` what it sampled. `completions/mean_length` is the mean of the latter over all trajectories,
    `length_right` and `length_wrong` over those with each verdict: a loss that favours long wrong answers shows there.
    """
    rewards = [trajectory.total_reward for trajectory in trajectories if trajectory.total_reward is not None]
    judged = [trajectory for trajectory in trajectories if trajectory.judged]
    values: dict[str, float] = {
        "failed_trajectories": sum(trajectory.status in FAILED for trajectory in trajectories),
        "truncated": sum(trajectory.status is TrajectoryStatus.TRUNCATED for trajectory in trajectories),
        "tokens": sum(len(segment.token_ids) for trajectory in trajectories for segment in trajectory.segments),
        "policy_tokens": sum(trajectory.policy_tokens for trajectory in trajectories),
    }
    if trajectories:
        values["completions/mean_length"] = values["policy_tokens"] / len(trajectories)
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


def grpo_values(batch: ScoredBatch, seconds: Mapping[str, float]) -> dict[str, float]:
    """Names everything measured of a step of rollouts; `seconds` by part: rollout, reward, update, step.

    `frac_reward_zero_std` is the share of groups that nothing is learned from.
    """
    values = rollout_values(batch.trajectories) | values_of(merged([NOTHING_TO_TRAIN, *batch.outcomes]))
    if (alike := frac_reward_zero_std(batch.trajectories)) is not None:
        values["frac_reward_zero_std"] = alike
    return values | _speed(values["policy_tokens"], seconds)


def sft_values(rows: Sequence[Row], numbers: Numbers, seconds: Mapping[str, float]) -> dict[str, float]:
    """Names everything measured of a step on demonstrations, whose tokens are counted."""
    tokens = sum(len(row.token_ids) for row in rows)
    counts = {"tokens": float(tokens), "policy_tokens": float(sum(sum(row.mask) for row in rows))}
    return values_of(numbers) | counts | _speed(tokens, seconds)


def as_decimals(metrics: StepMetrics | None) -> dict[str, str]:
    """Writes measurements as a checkpoint carries them: decimal strings, without what depends on the clock."""
    if metrics is None:
        return {}
    timeless = {name: value for name, value in metrics.values.items() if not name.endswith(("_seconds", "_second"))}
    texts = {name: measured(value, places=6) for name, value in timeless.items()}
    return {name: text for name, text in texts.items() if text is not None}


def _speed(tokens: float, seconds: Mapping[str, float]) -> dict[str, float]:
    timed = {f"{part}_seconds": duration for part, duration in seconds.items()}
    return {"tokens_per_second": tokens / max(seconds["step"], 1e-9)} | timed


def _called_a_tool(trajectory: Trajectory) -> bool:
    return any(turn.calls for turn in trajectory.turns)

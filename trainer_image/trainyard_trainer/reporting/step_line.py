"""A training step in one line that a person can read.

Place in the data's way: station 11, from the metrics to the pod's log. Pure; a value that doesn't exist isn't named.
"""

from __future__ import annotations

from collections.abc import Mapping

from trainyard_trainer.sinks import StepMetrics

_FIGURES = {
    "success_rate": "right {:.1%}",
    "kl": "kl {:.3g}",
    "entropy": "entropy {:.3g}",
    "grad_norm": "grad {:.3g}",
    "completions/mean_length": "length {:.1f}",
    "tool_rate": "tools {:.0%}",
    "frac_reward_zero_std": "groups all alike {:.0%}",
    "failed_trajectories": "failed {:.0f}",
    "loss": "loss {:.4g}",
}
"""In their order: what tells comes first; the loss last, for that of one update on its own samples is 0 whatever is
learned."""
_PARTS = ("rollout", "reward", "update")


def describe_step(metrics: StepMetrics) -> str:
    """Writes a step as `step 31: reward 0.84 +- 0.3, right 81.2%, ..., 1.2 s rollout, 0.4 s update, 12000 tokens/s`."""
    values = metrics.values
    words = [_reward(values)]
    words += [form.format(values[name]) for name, form in _FIGURES.items() if name in values]
    words += [_clipped(values), _lengths(values)]
    words += [f"{values[f'{part}_seconds']:.2f} s {part}" for part in _PARTS if f"{part}_seconds" in values]
    words += [f"{values['tokens_per_second']:.0f} tokens/s"] if "tokens_per_second" in values else []
    words += ["UPDATE SKIPPED: loss or gradient isn't finite"] if values.get("skipped_updates") else []
    return f"step {metrics.step + 1}: " + ", ".join(word for word in words if word)


def _reward(values: Mapping[str, float]) -> str:
    if "reward_mean" not in values:
        return ""
    spread = f" +- {values['reward_std']:.3g}" if "reward_std" in values else ""
    return f"reward {values['reward_mean']:.4g}{spread}"


def _clipped(values: Mapping[str, float]) -> str:
    low, high = values.get("clip_ratio/low_mean", 0.0), values.get("clip_ratio/high_mean", 0.0)
    return f"clipped {low:.1%} low {high:.1%} high" if low or high else ""


def _lengths(values: Mapping[str, float]) -> str:
    parts = [
        f"{word} {values[name]:.0f}"
        for name, word in (("length_right", "right"), ("length_wrong", "wrong"))
        if name in values
    ]
    return "length of " + ", ".join(parts) if parts else ""

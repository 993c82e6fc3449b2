"""Computes what one sampled token costs, for each loss that a run may name.

Place in the data's way: station 8. Pure: from the policy tokens of a micro-batch to one loss each. Nothing is summed,
averaged or divided here: the rows' weights hold the denominator (`denominators`). Tensor names end in their dimensions:
N policy tokens, R trajectories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

from trainyard_api.algorithm import GRPOConfig, LossType
from trainyard_trainer.algorithms.kl import divergence
from trainyard_trainer.numbers import Kind
from trainyard_trainer.policy.loss import Loss, LossInputs, TokenLosses, TokenNumber

MAX_LOG_RATIO = 20.0
"""Log ratios are cut here, so that no ratio overflows; a token that far from the old policy has no gradient left."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Bounds the ratio to the old policy: beyond them it no longer counts.

    That is above `1 + high` for good tokens, below `1 - low` for bad ones, and above `dual` for bad ones. For CISPO
    `high` is the largest ratio itself; `low` and `dual` are None.
    """

    low: float | None
    high: float
    dual: float | None = None


DEFAULT_CLIPS = {
    LossType.GRPO: Clip(0.2, 0.2),
    LossType.DR_GRPO: Clip(0.2, 0.2),
    LossType.DAPO: Clip(0.2, 0.28),
    LossType.GSPO: Clip(3e-4, 4e-4),
    LossType.CISPO: Clip(None, 5.0),
}
"""As in the papers that `GRPOConfig.loss` names; CISPO's as in ScaleRL (arXiv 2510.13786)."""


NUMBERS: Final = {
    "kl": TokenNumber(Kind.MEAN, lambda _, found: found.kl),
    "clip_ratio/low_mean": TokenNumber(Kind.MEAN, lambda _, found: found.clipped_low),
    "clip_ratio/high_mean": TokenNumber(Kind.MEAN, lambda _, found: found.clipped_high),
}
"""The mean estimate of the divergence from the reference, in nats; shares of policy tokens that a clip cut."""


def clip_of(config: GRPOConfig) -> Clip:
    """Reads the bounds of a run; they are the loss's own where the config doesn't say."""
    default = DEFAULT_CLIPS[config.loss]
    return Clip(
        low=default.low if config.epsilon_low is None else float(config.epsilon_low),
        high=default.high if config.epsilon_high is None else float(config.epsilon_high),
        dual=None if config.dual_clip is None else float(config.dual_clip),
    )


def make_loss(config: GRPOConfig) -> Loss:
    """Makes the loss of a run, with its penalty, and what is measured of it.

    The ratio is that of each token's probabilities under the policy and the old policy; GSPO's is one for a trajectory,
    the geometric mean over all its policy tokens. With old log-probabilities equal to the new ones, every loss has the
    gradient of -A x log-probability.
    """
    clip = clip_of(config)

    def token_losses(inputs: LossInputs) -> TokenLosses:
        log_ratios_N = _cut(inputs.logprobs - inputs.old_logprobs)
        if config.loss is LossType.GSPO:
            correction_N = torch.exp(_cut(_trajectory_means(log_ratios_N, inputs.trajectories)))
            ratios_N = correction_N.detach() * torch.exp(inputs.logprobs - inputs.logprobs.detach())
        else:
            correction_N = ratios_N = torch.exp(log_ratios_N)
        if config.loss is LossType.CISPO:
            found = _detached_ratio(inputs, ratios_N, clip)
        else:
            found = _clipped_surrogate(inputs, ratios_N, clip)
        if config.kl is None or inputs.reference_logprobs is None:
            return found
        kl_N = divergence(config.kl.estimator, inputs.logprobs, inputs.reference_logprobs, correction_N)
        losses_N = found.losses + float(config.kl.coefficient) * kl_N
        return TokenLosses(losses_N, found.clipped_low, found.clipped_high, kl_N.detach())

    return Loss(token_losses, NUMBERS)


def _clipped_surrogate(inputs: LossInputs, ratios_N: torch.Tensor, clip: Clip) -> TokenLosses:
    """Computes -min(ratio x A, clip(ratio) x A), not below dual x A where A is negative (arXiv 1912.09729)."""
    low, advantages_N = clip.low or 0.0, inputs.advantages
    bad_N = advantages_N < 0
    gains_N = torch.minimum(ratios_N * advantages_N, ratios_N.clamp(1.0 - low, 1.0 + clip.high) * advantages_N)
    clipped_high_N = (ratios_N > 1.0 + clip.high) & (advantages_N > 0)
    if clip.dual is not None:
        gains_N = torch.where(bad_N, torch.maximum(gains_N, clip.dual * advantages_N), gains_N)
        clipped_high_N = clipped_high_N | (bad_N & (ratios_N > clip.dual))
    return TokenLosses(-gains_N, bad_N & (ratios_N < 1.0 - low), clipped_high_N)


def _detached_ratio(inputs: LossInputs, ratios_N: torch.Tensor, clip: Clip) -> TokenLosses:
    """Computes -min(ratio, high) x A x log-probability, the ratio without gradient: no token loses its own (CISPO)."""
    weights_N = ratios_N.detach().clamp(max=clip.high)
    clipped_high_N = (ratios_N > clip.high) & (inputs.advantages != 0)
    return TokenLosses(
        -weights_N * inputs.advantages * inputs.logprobs, torch.zeros_like(clipped_high_N), clipped_high_N
    )


def _trajectory_means(values_N: torch.Tensor, trajectories_N: torch.Tensor) -> torch.Tensor:
    """Computes for each token the mean over its trajectory's tokens."""
    count = int(trajectories_N.max()) + 1 if trajectories_N.numel() else 0
    sums_R = values_N.new_zeros(count).index_add(0, trajectories_N, values_N)
    tokens_R = values_N.new_zeros(count).index_add(0, trajectories_N, torch.ones_like(values_N))
    return (sums_R / tokens_R.clamp(min=1.0))[trajectories_N]


def _cut(log_ratios: torch.Tensor) -> torch.Tensor:
    return log_ratios.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)

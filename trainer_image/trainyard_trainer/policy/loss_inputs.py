"""What a loss is computed from, and what it gives.

Place in the data's way: station 8. Values only. All tensors are flat over the N policy tokens of a micro-batch:
prompts, tool results and padding never get here. A micro-batch never splits a trajectory.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class LossInputs:
    """The policy tokens of a micro-batch, all tensors [N].

    `logprobs` carry the gradient. `old_logprobs` are those of the policy before the first update of the rollout batch,
    `reference_logprobs` those of the frozen reference, None without a penalty. `trajectories` numbers the trajectory of
    each token, from 0 to R - 1 in the micro-batch.
    """

    logprobs: torch.Tensor
    old_logprobs: torch.Tensor
    reference_logprobs: torch.Tensor | None
    advantages: torch.Tensor
    trajectories: torch.Tensor


@dataclass(frozen=True, slots=True)
class TokenLosses:
    """One loss for each policy token [N], with the penalty in it; which ones a clip cut, as bools; the penalty's
    estimate of the divergence, None without a penalty.
    """

    losses: torch.Tensor
    clipped_low: torch.Tensor
    clipped_high: torch.Tensor
    kl: torch.Tensor | None = None

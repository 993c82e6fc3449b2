"""Defines what a loss is computed from, what it gives, and what is measured of it.

Place in the data's way: station 8. Values only. All tensors are flat over the N policy tokens of a micro-batch:
prompts, tool results and padding never get here. A micro-batch never splits a trajectory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from trainyard_trainer.numbers import Kind


@dataclass(frozen=True, slots=True)
class LossInputs:
    """Holds the policy tokens of a micro-batch, all tensors [N].

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
    """Holds one loss for each policy token [N], with the penalty in it.

    `clipped_low` and `clipped_high` say as bools which tokens a clip cut, None where there is no clip; `kl` is the
    penalty's estimate of the divergence in nats, None without a penalty.
    """

    losses: torch.Tensor
    clipped_low: torch.Tensor | None = None
    clipped_high: torch.Tensor | None = None
    kl: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class TokenNumber:
    """Describes a number that is measured at every policy token.

    Attributes:
        kind: how tokens become one number.
        of: its values [N], from what the loss was computed from and what it gave; None where there are none.
    """

    kind: Kind
    of: Callable[[LossInputs, TokenLosses], torch.Tensor | None]


@dataclass(frozen=True, slots=True)
class Loss:
    """Computes a loss and the numbers that are measured of it, by name; the policy weighs and sums the losses."""

    of: Callable[[LossInputs], TokenLosses]
    numbers: Mapping[str, TokenNumber] = field(default_factory=dict)

    def __call__(self, inputs: LossInputs) -> TokenLosses:
        """Computes the losses of one micro-batch."""
        return self.of(inputs)

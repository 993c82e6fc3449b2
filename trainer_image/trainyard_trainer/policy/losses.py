"""Losses of single tokens, and the one denominator that turns them into the loss of an update.

Place in the data's way: station 8. Pure. An update's loss is the sum over all its tokens of loss x weight; the weights
hold the denominator over the whole update, however it is cut into micro-batches: never a mean of means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from trainyard_api.algorithm import LossType
from trainyard_trainer.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Clip:
    """How far the ratio to the old policy may leave 1 before its gradient is cut: [1 - low, 1 + high]."""

    low: float
    high: float


CLIPS = {LossType.GRPO: Clip(0.2, 0.2), LossType.DAPO: Clip(0.2, 0.28)}
"""As in the papers: symmetric (arXiv 2402.03300), and higher above (arXiv 2503.14476, section 3.1)."""


def clipped_surrogate(
    logprobs_BT: torch.Tensor, old_logprobs_BT: torch.Tensor, advantages_BT: torch.Tensor, clip: Clip
) -> torch.Tensor:
    """-min(ratio x A, clip(ratio) x A) for each token, ratio = exp(logprob - old logprob); [B, T].

    With one update per rollout batch the old log-probabilities are the new ones, detached: the ratio is 1, its gradient
    is that of the log-probability.
    """
    ratio_BT = torch.exp(logprobs_BT - old_logprobs_BT)
    clipped_BT = ratio_BT.clamp(1.0 - clip.low, 1.0 + clip.high)
    return -torch.minimum(ratio_BT * advantages_BT, clipped_BT * advantages_BT)


def denominator(loss: LossType, trajectories: Sequence[Trajectory]) -> int:
    """What an update's loss is divided by, over all its scored trajectories; at least 1.

    DAPO: their policy tokens. GRPO: their number, for each trajectory's tokens are averaged first. Groups without
    variance stay in.
    """
    scored = [trajectory for trajectory in trajectories if trajectory.scored]
    if loss is LossType.DAPO:
        return max(1, sum(trajectory.policy_tokens for trajectory in scored))
    return max(1, len(scored))


def token_weight(loss: LossType, trajectory: Trajectory, whole: int) -> float:
    """Weight of each policy token of a scored trajectory, given the `denominator` of the whole update."""
    if loss is LossType.DAPO:
        return 1.0 / whole
    return 1.0 / (whole * max(1, trajectory.policy_tokens))

"""One denominator over the whole update; gradients as the papers have them."""

from __future__ import annotations

import math

import pytest
import torch

from tests.trainyard_trainer.small import trajectory
from trainyard_api.algorithm import LossType
from trainyard_trainer.policy.losses import CLIPS, Clip, clipped_surrogate, denominator, token_weight
from trainyard_trainer.trajectory import TrajectoryStatus

STEP = [
    trajectory(1.0, sample=0, tokens=2),
    trajectory(0.0, sample=1, tokens=6),
    trajectory(sample=2, tokens=50, status=TrajectoryStatus.FAILED_REWARD),
]


def test_dapo_divides_by_policy_tokens_and_grpo_by_trajectories() -> None:
    """Failed trajectories are in neither denominator."""
    assert denominator(LossType.DAPO, STEP) == 8
    assert denominator(LossType.GRPO, STEP) == 2


@pytest.mark.parametrize("loss", list(LossType))
def test_weights_of_an_update_sum_to_one(loss: LossType) -> None:
    """Each loss is a mean: of tokens (DAPO), or of trajectories' own means (GRPO)."""
    whole = denominator(loss, STEP)
    weights = [token_weight(loss, t, whole) for t in STEP if t.scored]
    assert sum(w * n for w, n in zip(weights, (2, 6), strict=True)) == pytest.approx(1.0)
    assert (weights[0] == weights[1]) == (loss is LossType.DAPO)


def test_on_policy_gradient_is_minus_the_advantage() -> None:
    """With old log-probabilities equal to the new ones the loss is -A and its gradient -A per token."""
    logprobs = torch.tensor([[-1.0, -2.0, -0.5]], requires_grad=True)
    advantages = torch.tensor([[1.5, -0.5, 0.0]])
    losses = clipped_surrogate(logprobs, logprobs.detach(), advantages, CLIPS[LossType.DAPO])
    losses.sum().backward()
    assert torch.equal(losses, -advantages)
    assert torch.equal(logprobs.grad, -advantages)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "moves"),
    [
        (1.5, 1.0, -1.28, False),  # already much likelier: no further push
        (1.5, -1.0, 1.5, True),  # likelier though bad: pushed back
        (0.5, 1.0, -0.5, True),  # rarer though good: pulled up
        (0.5, -1.0, 0.8, False),  # already much rarer: no further push
    ],
)
def test_ratio_is_clipped_where_it_would_run_away(ratio: float, advantage: float, loss: float, moves: bool) -> None:
    """-min(ratio A, clip(ratio) A), by hand."""
    logprobs = torch.tensor([[math.log(ratio)]], requires_grad=True)
    found = clipped_surrogate(logprobs, torch.zeros(1, 1), torch.tensor([[advantage]]), Clip(0.2, 0.28))
    found.sum().backward()
    assert found.item() == pytest.approx(loss, abs=1e-6)
    assert (logprobs.grad.abs().item() > 0) == moves

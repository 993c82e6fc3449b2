"""One denominator over the whole update."""

from __future__ import annotations

import pytest

from tests.trainyard_trainer.policies import ALONE
from tests.trainyard_trainer.trajectories import segment, trajectory
from trainyard_api.algorithm import GRPOConfig, LossType
from trainyard_trainer.algorithms.denominators import UpdateSize, token_weight, update_size

FORKED = trajectory(0.0, sample=1, segments=[segment(2), segment(4, tool=3)])
STEP = [trajectory(1.0, segments=[segment(2)]), FORKED, trajectory(sample=2, segments=[segment(50)])]
"""Of 2 policy tokens, of 2 + 4 in two rows, and one that failed."""


def config(loss: LossType) -> GRPOConfig:
    """Settings of that loss."""
    return GRPOConfig(loss=loss, steps=1, max_policy_tokens=10 if loss is LossType.DR_GRPO else None)


def test_an_update_is_measured_by_scored_trajectories_and_their_policy_tokens() -> None:
    """Neither failed ones nor tools' tokens count; rows of one trajectory are one trajectory."""
    assert update_size(STEP, ALONE) == UpdateSize(trajectories=2, policy_tokens=8)
    assert update_size([], ALONE) == UpdateSize(0, 0)


@pytest.mark.parametrize(
    ("loss", "weights"),
    [
        (LossType.DAPO, (1 / 8, 1 / 8)),
        (LossType.CISPO, (1 / 8, 1 / 8)),
        (LossType.GRPO, (1 / 4, 1 / 12)),
        (LossType.GSPO, (1 / 4, 1 / 12)),
        (LossType.DR_GRPO, (1 / 20, 1 / 20)),
    ],
)
def test_each_loss_has_its_own_denominator(loss: LossType, weights: tuple[float, float]) -> None:
    """Tokens; trajectories, of whose tokens over all rows the mean is taken first; trajectories x maxPolicyTokens."""
    size = update_size(STEP, ALONE)
    assert tuple(token_weight(config(loss), t.policy_tokens, size) for t in STEP[:2]) == pytest.approx(weights)


@pytest.mark.parametrize("loss", list(LossType))
def test_a_trajectory_without_a_token_has_no_weight_but_counts(loss: LossType) -> None:
    """An empty completion divides nothing by zero, and stays one of the trajectories that are averaged."""
    empty = trajectory(1.0, segments=[segment(0)])
    assert update_size([empty, *STEP], ALONE) == UpdateSize(3, 8)
    assert token_weight(config(loss), 0, update_size([empty], ALONE)) == 0.0

"""Computes the one denominator that turns token losses into the loss of an update.

Place in the data's way: station 8. An update's loss is the sum over all its tokens of loss x weight. The weights hold
the denominator over all micro-batches and ranks of the update, however they are cut: never a mean of means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainyard_api.algorithm import GRPOConfig, LossType
from trainyard_trainer.policy.ranks import Ranks
from trainyard_trainer.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class UpdateSize:
    """Counts what an update is made from, over all its micro-batches and ranks."""

    trajectories: int
    policy_tokens: int


def update_size(trajectories: Sequence[Trajectory], ranks: Ranks) -> UpdateSize:
    """Counts scored trajectories and their policy tokens.

    Args:
        trajectories: this rank's part of the update; those without a reward don't count.
        ranks: who else has a part; all of them must call.
    """
    scored = [trajectory for trajectory in trajectories if trajectory.scored]
    count, tokens = ranks.totals([len(scored), sum(trajectory.policy_tokens for trajectory in scored)])
    return UpdateSize(int(count), int(tokens))


def token_weight(config: GRPOConfig, policy_tokens: int, whole: UpdateSize) -> float:
    """Computes the weight of each policy token of a trajectory that has `policy_tokens` of them over all its segments.

    It is 1 / denominator: all policy tokens (DAPO, CISPO), trajectories x maxPolicyTokens (DrGRPO), or trajectories,
    each of whose tokens are averaged first (GRPO, GSPO). Trajectories without a token count like all others.
    """
    if not policy_tokens:
        return 0.0
    if config.loss in (LossType.DAPO, LossType.CISPO):
        return 1.0 / whole.policy_tokens
    if config.loss is LossType.DR_GRPO:
        if config.max_policy_tokens is None:
            raise ValueError("grpo.maxPolicyTokens: must be set for DrGRPO; the contract's rules say so")
        return 1.0 / (whole.trajectories * config.max_policy_tokens)
    return 1.0 / (whole.trajectories * policy_tokens)

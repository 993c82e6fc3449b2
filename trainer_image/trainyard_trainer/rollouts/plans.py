"""How rollouts are made for training.

Place in the data's way: station 4, on the way to station 5. Values only.
"""

from __future__ import annotations

from trainyard_api.algorithm import GRPOConfig
from trainyard_trainer.sampling.randomness import Stream
from trainyard_trainer.seams import RolloutPlan


def training_plan(config: GRPOConfig) -> RolloutPlan:
    """A group of trajectories for each prompt, sampled as the policy is trained."""
    return RolloutPlan(
        group_size=config.group_size,
        temperature=float(config.temperature),
        max_turns=config.max_turns,
        stream=Stream.TRAINING_TOKENS,
        max_new_tokens=config.max_turn_tokens,
        top_k=config.top_k,
        top_p=None if config.top_p is None else float(config.top_p),
    )

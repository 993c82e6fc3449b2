"""How rollouts are made for training, and for measurements.

Place in the data's way: station 4, on the way to station 5. Values only.
"""

from __future__ import annotations

from trainyard_api.algorithm import GRPOConfig
from trainyard_api.evaluation import Evaluation
from trainyard_trainer.randomness import Stream
from trainyard_trainer.rollouts.source import RolloutPlan

EVALUATION_TURNS = 20
"""Turns of an answer when the algorithm has no limit of its own: GRPO's default."""


def training_plan(config: GRPOConfig) -> RolloutPlan:
    """Plans a group of trajectories for each prompt, sampled as the policy is trained."""
    return RolloutPlan(
        group_size=config.group_size,
        temperature=float(config.temperature),
        max_turns=config.max_turns,
        stream=Stream.TRAINING_TOKENS,
        max_new_tokens=config.max_turn_tokens,
        top_k=config.top_k,
        top_p=None if config.top_p is None else float(config.top_p),
    )


def evaluation_plan(evaluation: Evaluation, max_turns: int, max_turn_tokens: int | None) -> RolloutPlan:
    """Plans how the questions of a measurement are answered: at a temperature of its own, unfiltered.

    Args:
        evaluation: samples of each question, and their temperature.
        max_turns: policy turns of an answer.
        max_turn_tokens: tokens of a turn; the task's own limit where it is None.
    """
    return RolloutPlan(
        group_size=evaluation.samples,
        temperature=float(evaluation.temperature),
        max_turns=max_turns,
        stream=Stream.EVALUATION_TOKENS,
        max_new_tokens=max_turn_tokens,
    )

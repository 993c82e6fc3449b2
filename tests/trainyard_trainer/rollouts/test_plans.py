"""Plans of rollouts follow the run's settings, each from a random stream of its own."""

from __future__ import annotations

from trainyard_api.algorithm import GRPOConfig
from trainyard_api.evaluation import Evaluation
from trainyard_trainer.randomness import Stream
from trainyard_trainer.rollouts.plans import EVALUATION_TURNS, evaluation_plan, training_plan


def test_training_samples_as_the_manifest_says() -> None:
    """Filters and limits are those of the algorithm; decimals become numbers."""
    config = GRPOConfig(steps=1, group_size=3, temperature="0.7", max_turns=2, max_turn_tokens=9, top_k=5, top_p="0.9")
    plan = training_plan(config)
    assert (plan.group_size, plan.temperature, plan.max_turns, plan.max_new_tokens) == (3, 0.7, 2, 9)
    assert (plan.top_k, plan.top_p, plan.stream) == (5, 0.9, Stream.TRAINING_TOKENS)
    assert training_plan(GRPOConfig(steps=1)).top_p is None


def test_a_measurement_is_unfiltered_and_draws_from_another_stream() -> None:
    """Or measuring would change what is sampled in training; its turns are GRPO's by default."""
    plan = evaluation_plan(Evaluation(questions=4, samples=2, temperature="0.01"), EVALUATION_TURNS, None)
    assert (plan.group_size, plan.temperature, plan.top_k, plan.top_p) == (2, 0.01, None, None)
    assert plan.stream is Stream.EVALUATION_TOKENS
    assert GRPOConfig(steps=1).max_turns == EVALUATION_TURNS

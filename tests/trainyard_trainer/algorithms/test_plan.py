"""Each type of algorithm says what its run needs; what only measures needs nothing that trains."""

from __future__ import annotations

from typing import Any

import pytest

from trainyard_api.algorithm import Algorithm
from trainyard_trainer.algorithms.plan import Plan, plan_of

GRPO = {"steps": 7, "learningRate": "3e-4", "temperature": "0.7", "maxTurns": 4, "maxTurnTokens": 96}


def planned(**spec: Any) -> Plan:
    """The plan of a manifest's algorithm."""
    return plan_of(Algorithm.model_validate(spec))


def test_grpo_needs_rollouts_as_long_and_as_hot_as_it_says() -> None:
    """A policy that is updated at its rate, its log-probabilities at the temperature that sampled."""
    assert planned(type="GRPO", grpo=GRPO) == Plan(
        steps=7, learning_rate=3e-4, trains=True, temperature=0.7, max_turns=4, max_turn_tokens=96
    )


@pytest.mark.parametrize(("changes", "kept"), [({}, False), ({"kl": {"coefficient": "0.1"}}, True)])
def test_the_first_weights_are_kept_only_for_a_penalty(changes: dict[str, Any], kept: bool) -> None:
    """Without one they would cost a copy of the model."""
    assert planned(type="GRPO", grpo=GRPO | changes).keep_reference is kept


def test_fine_tuning_needs_demonstrations_and_no_reference() -> None:
    """Its log-probabilities are taken at temperature 1, whatever an evaluation samples at."""
    plan = planned(type="SFT", sft={"steps": 5, "learningRate": "2e-5"})
    assert plan == Plan(steps=5, learning_rate=2e-5, trains=True, demonstrates=True)
    assert (plan.temperature, plan.keep_reference) == (1.0, False)


def test_an_evaluation_trains_nothing() -> None:
    """No steps, no rate, no demonstrations; conversations may be as long as GRPO's are by default."""
    plan = planned(type="Evaluation")
    assert plan == Plan()
    assert (plan.steps, plan.learning_rate, plan.trains, plan.demonstrates) == (0, 0.0, False, False)
    assert plan.max_turns == planned(type="GRPO", grpo={"steps": 1}).max_turns

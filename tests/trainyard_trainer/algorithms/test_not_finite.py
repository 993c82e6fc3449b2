"""A number that isn't finite is traced to the field that can cause it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from tests.trainyard_trainer.policies import policy, row
from trainyard_api.algorithm import GRPOConfig, KLPenalty
from trainyard_trainer.algorithms.not_finite import Suspects, cause
from trainyard_trainer.algorithms.sft import SFT_LOSS, SUSPECTS
from trainyard_trainer.algorithms.update import suspects
from trainyard_trainer.policy.torch_policy import TorchPolicy

ROWS = [row(0, 2)]


def config(**changes: Any) -> GRPOConfig:
    """Settings of a run."""
    return GRPOConfig(**({"steps": 1} | changes))


def spoilt(chosen: TorchPolicy, value: float) -> TorchPolicy:
    """A policy with weights of this value in its head."""
    with torch.no_grad():
        chosen.model.lm_head.weight.fill_(value)
    return chosen


def test_weights_that_were_never_finite_are_the_models() -> None:
    """No update has touched them."""
    assert cause(spoilt(policy(), math.nan), ROWS, suspects(config()))[:2] == ("spec.model", "Qwen3ForCausalLM")


def test_weights_that_training_spoilt_are_the_learning_rates() -> None:
    """Of the algorithm that trains."""
    chosen = policy()
    chosen.update(ROWS, SFT_LOSS)
    spoilt(chosen, math.inf)
    assert cause(chosen, ROWS, suspects(config()))[:2] == ("spec.algorithm.grpo.learningRate", "0.001")
    assert cause(chosen, ROWS, SUSPECTS)[:2] == ("spec.algorithm.sft.learningRate", "0.001")


def test_log_probabilities_at_a_low_temperature_are_the_temperatures() -> None:
    """At 1 they are the model's."""
    chosen = spoilt(policy(temperature=1e-30), 1e30)
    assert cause(chosen, ROWS, suspects(config(temperature="0.01")))[:2] == ("spec.algorithm.grpo.temperature", "0.01")
    assert cause(chosen, ROWS, suspects(config()))[:2] == ("spec.model", "Qwen3ForCausalLM")


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (config(kl=KLPenalty(coefficient="9999")), ("spec.algorithm.grpo.kl.coefficient", "9999")),
        (config(), ("spec.algorithm.grpo.learningRate", "0.001")),
        (SUSPECTS, ("spec.algorithm.sft.learningRate", "0.001")),
    ],
)
def test_a_loss_of_finite_log_probabilities_is_the_penaltys_or_the_rates(
    settings: GRPOConfig | Suspects, field: tuple[str, str]
) -> None:
    """Nothing else is left that can grow; the field comes with its value."""
    named = settings if isinstance(settings, Suspects) else suspects(settings)
    assert cause(policy(), ROWS, named)[:2] == field

"""A logit is what the rule says, whichever of its parts is absent."""

from __future__ import annotations

import math

import pytest
import torch

from trainyard_trainer.policy.logprobs.logit_rule import LogitRule, compute_dtype


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_factors_before_and_behind_the_cap_make_the_logit(
    temperature: float, softcap: float | None, scale: float
) -> None:
    """As the formula in its docstring, for a product of 5 and a bias of 1."""
    rule = LogitRule(temperature, softcap, scale)
    raw = 5.0 * scale + 1.0
    inner = raw * rule.inner
    found = inner if softcap is None else math.tanh(inner) * rule.outer
    expected = raw / temperature if softcap is None else softcap * math.tanh(raw / softcap) / temperature
    assert found == pytest.approx(expected)
    assert rule.outer == 1.0 or softcap is not None


def test_sums_are_never_in_a_short_type() -> None:
    """float64 where one of the tensors has it; an absent bias says nothing."""
    short, long = torch.zeros(1, dtype=torch.bfloat16), torch.zeros(1, dtype=torch.float64)
    assert compute_dtype(short, None) is torch.float32
    assert compute_dtype(short, long, None) is torch.float64

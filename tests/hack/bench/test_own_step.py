"""The trainer's own step learns from every token."""

from __future__ import annotations

import torch

from hack.bench.models import make_model
from hack.bench.own_step import OwnStep
from hack.bench.step import reward
from tests.hack.bench.small import STEP


def test_ours_learns() -> None:
    """A step changes every weight's tensor but those that no token touches."""
    model = make_model("tiny")
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    found = OwnStep(model, STEP, reward).run(lambda: 0.0)
    assert found["tokens"] == STEP.tokens
    assert all(not torch.equal(weight, before[name]) for name, weight in model.named_parameters())

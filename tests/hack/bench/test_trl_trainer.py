"""TRL's trainer does a benchmark's workload, around a copy of its model."""

from __future__ import annotations

import torch

from hack.bench.models import make_model
from hack.bench.trl_trainer import make_trainer
from tests.hack.bench.small import STEP


def test_it_samples_as_many_tokens_as_the_workload_says_and_leaves_the_model_alone() -> None:
    """In the order of the rows; weights and forward of the model that was given stay what they were."""
    model = make_model("tiny")
    before, forward = model.state_dict(), model.forward
    with make_trainer(model, STEP) as trainer:
        assert tuple(map(len, trainer.generate())) == STEP.lengths
        assert trainer.model is not model
        assert trainer.trl.num_generations == 4
    assert model.forward == forward
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())

"""The check at load finds an engine that samples from another distribution than the model's."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.trainyard_trainer import families
from tests.trainyard_trainer.stopping import Stop
from tests.trainyard_trainer.talks import Policy
from trainyard_trainer.sampling.in_process import self_check
from trainyard_trainer.sampling.in_process.reading import CachedModel
from trainyard_trainer.sampling.in_process.sampler import InProcessEngine
from trainyard_trainer.sampling.in_process.self_check import MAX_FLOAT32, MEAN_REDUCED, SLOTS, Agreement
from trainyard_trainer.sampling.in_process.slot_decoder import SlotDecoder


def engine(model: Any) -> InProcessEngine:
    """An engine with as few slots as the check wants."""
    policy = Policy(model)
    return InProcessEngine(policy, Stop(), SlotDecoder(CachedModel(policy), SLOTS))


def test_an_engine_agrees_with_its_own_model_and_with_no_other() -> None:
    """The same family with other weights is seen at once."""
    model = families.model_of("qwen3")
    own = self_check.check(Policy(model), lambda: engine(model))
    assert own.good
    assert own.tokens > 50
    other = type(model)(model.config).eval()
    assert not self_check.check(Policy(other), lambda: engine(model)).good


@pytest.mark.parametrize(
    ("largest", "mean", "reduced", "good"),
    [
        (MAX_FLOAT32, 0.0, False, True),
        (2 * MAX_FLOAT32, 0.0, False, False),
        (1.0, MEAN_REDUCED, True, True),
        (1.0, 2 * MEAN_REDUCED, True, False),
        (math.inf, math.inf, True, False),
    ],
)
def test_what_rounding_explains_depends_on_the_type(largest: float, mean: float, reduced: bool, good: bool) -> None:
    """In float32 no token may be off, in shorter types the mean counts; what isn't a number is never good."""
    found = Agreement(largest, mean, 10, reduced)
    assert found.good is good
    assert str(found).endswith(f"{mean:.1e} on average, of 10")

"""Whole batches sample what the model says, for models whose caches can't be cut."""

from __future__ import annotations

import pytest

from tests.trainyard_trainer import families
from tests.trainyard_trainer.stopping import Stop
from tests.trainyard_trainer.talks import Policy, converse, gap, tokens
from trainyard_trainer.sampling.in_process.reading import CachedModel
from trainyard_trainer.sampling.in_process.sampler import InProcessEngine
from trainyard_trainer.sampling.in_process.slot_decoder import SlotDecoder
from trainyard_trainer.sampling.in_process.whole_batch import WholeBatchDecoder


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("family", [*families.FALLBACK_FAMILIES, "qwen3"])
def test_log_probabilities_are_the_models(family: str, cached: bool) -> None:
    """Within 1e-4 of a full forward, with what was read kept within a turn or not."""
    policy = Policy(families.model_of(family))
    engine = InProcessEngine(policy, Stop(), WholeBatchDecoder(policy, cached=cached))
    assert 0.0 < gap(policy.model, converse(engine)) <= 1e-4


def test_slots_and_whole_batches_say_the_same() -> None:
    """The stream of a conversation's random numbers is the same in both."""
    policy = Policy(families.model_of("llama"))
    slots = InProcessEngine(policy, Stop(), SlotDecoder(CachedModel(policy), 3))
    whole = InProcessEngine(policy, Stop(), WholeBatchDecoder(policy, cached=True))
    assert tokens(converse(slots)) == tokens(converse(whole))

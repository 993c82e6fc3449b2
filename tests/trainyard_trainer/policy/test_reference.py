"""The reference is the policy that the run began with, whatever is trained and however long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainyard_trainer.policies import ROWS, loaded, policy, weights, write
from trainyard_api.algorithm import LoRA, Precision
from trainyard_trainer.algorithms.sft import SFT_LOSS
from trainyard_trainer.models import lora
from trainyard_trainer.models.load import LoadedModel

SETTINGS = LoRA(rank=4, alpha=8)


def fresh() -> LoadedModel:
    """A base with an adapter that changes nothing yet."""
    return lora.apply(loaded(), SETTINGS, seed=0)


def continued() -> LoadedModel:
    """A base with an adapter that another run has trained."""
    made = fresh()
    policy(model=made).update(ROWS, SFT_LOSS)
    return lora.apply(made, SETTINGS, seed=1)


TRAINED = {"all weights": loaded, "a fresh adapter": fresh, "an adapter that goes on": continued}


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("kind", TRAINED)
def test_its_scores_are_bit_equal_before_and_after_updates(kind: str, precision: Precision) -> None:
    """They are the policy's own before its first update; today's move, and come back after it was asked."""
    chosen = policy(model=TRAINED[kind](), precision=precision, keep_reference=True)
    first = str(chosen.score(ROWS))
    assert str(chosen.reference_score(ROWS)) == first
    for _ in range(2):
        chosen.update(ROWS, SFT_LOSS)
        today = str(chosen.score(ROWS))
        assert today != first
        assert str(chosen.reference_score(ROWS)) == first
        assert str(chosen.score(ROWS)) == today


def test_a_fresh_adapters_reference_is_its_base() -> None:
    """Bit for bit the model without an adapter; after an update too."""
    chosen = policy(model=fresh(), keep_reference=True)
    chosen.update(ROWS, SFT_LOSS)
    assert str(chosen.reference_score(ROWS)) == str(policy().score(ROWS))


def test_an_adapter_alone_is_trained() -> None:
    """The base doesn't move by a bit."""
    made = fresh()
    chosen = policy(model=made)
    base = {name: value.clone() for name, value in made.model.state_dict().items() if "lora" not in name}
    before = weights(chosen)
    chosen.update(ROWS, SFT_LOSS)
    assert (weights(chosen) != before).any()
    assert sum(parameter.numel() for parameter in chosen.trained) < 0.5 * sum(value.numel() for value in base.values())
    assert all(torch.equal(made.model.state_dict()[name], value) for name, value in base.items())


@pytest.mark.parametrize("kind", TRAINED)
@pytest.mark.parametrize("precision", list(Precision))
def test_after_a_resume_it_is_still_what_the_run_began_with(kind: str, precision: Precision, tmp_path: Path) -> None:
    """The model's source first, then the checkpoint's weights, then its state: the next update is bit-equal."""
    options: dict[str, Any] = {"precision": precision, "keep_reference": True}
    chosen = policy(model=TRAINED[kind](), **options)
    chosen.update(ROWS, SFT_LOSS)
    snapshot = chosen.snapshot(1, {})
    successor = policy(model=TRAINED[kind](), **options)
    successor.load_weights(write(snapshot, tmp_path))
    successor.load_state(snapshot.trainer_state)
    assert str(successor.reference_score(ROWS)) == str(chosen.reference_score(ROWS))
    assert successor.update(ROWS, SFT_LOSS) == chosen.update(ROWS, SFT_LOSS)
    assert torch.equal(weights(successor), weights(chosen))
    assert str(successor.score(ROWS)) == str(chosen.score(ROWS))


def test_without_a_reference_none_can_be_asked() -> None:
    """A penalty without its reference is a mistake of the caller."""
    with pytest.raises(ValueError, match=r"^settings\.keep_reference: must be true"):
        policy().reference_score(ROWS)

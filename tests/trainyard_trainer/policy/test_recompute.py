"""Gradient checkpointing: the same bits for less memory, in eval mode, around training passes alone."""

from __future__ import annotations

import pytest
import torch
from transformers import OPTConfig, OPTForCausalLM

from tests.trainyard_trainer.policies import ROWS, gradient, loaded, policy
from trainyard_api.algorithm import Precision
from trainyard_api.termination import TerminationReason
from trainyard_trainer.algorithms.sft import SFT_LOSS
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.load import LoadedModel
from trainyard_trainer.policy.loss import Loss
from trainyard_trainer.policy.recompute import layers_of


@pytest.mark.parametrize("precision", list(Precision))
def test_gradients_are_the_same_and_less_is_kept(precision: Precision) -> None:
    """Bit for bit; of all layers but one only the inputs stay."""
    plain = policy(precision=precision)
    frugal = policy(precision=precision, gradient_checkpointing=True)
    for chosen in (plain, frugal):
        chosen.accumulate(ROWS, SFT_LOSS)
    assert torch.equal(gradient(plain), gradient(frugal))
    assert frugal._kept_bytes(64) < 0.8 * plain._kept_bytes(64)


def test_layers_are_as_before_behind_a_training_pass() -> None:
    """Samplers keep keys and values; a pass that fails leaves nothing behind either."""
    chosen = policy(gradient_checkpointing=True)
    with pytest.raises(ZeroDivisionError):
        chosen.accumulate(ROWS, Loss(lambda _: 1 / 0))
    assert all("forward" not in vars(layer) for layer in layers_of(chosen.model))
    assert not any(module.training for module in chosen.model.modules())
    assert chosen.model(torch.tensor([[1, 2, 3]]), use_cache=True).past_key_values.get_seq_length() == 3


def test_dropout_stays_off() -> None:
    """A class whose layers drop out in train mode, as transformers' own switch would need: two passes agree."""
    config = OPTConfig(
        vocab_size=48,
        hidden_size=32,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        word_embed_proj_dim=32,
        dropout=0.5,
        max_position_embeddings=64,
    )
    torch.manual_seed(0)
    chosen = policy(model=LoadedModel(OPTForCausalLM(config), None, 0), gradient_checkpointing=True)
    found = []
    for _ in range(2):
        chosen.accumulate(ROWS, SFT_LOSS)
        found.append(gradient(chosen))
    assert torch.equal(*found)


def test_a_model_without_such_layers_is_refused() -> None:
    """Rather than to take the memory that the user meant to spare."""
    model = loaded()
    model.model.model.layers = torch.nn.ModuleList()
    with pytest.raises(RefusedError) as refused:
        policy(model=model, gradient_checkpointing=True)
    assert refused.value.reason is TerminationReason.MODEL_UNSUITABLE
    assert str(refused.value).startswith("spec.algorithm.gradientCheckpointing: must be false for a model whose class")

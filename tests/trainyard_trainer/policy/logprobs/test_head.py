"""How hidden states become logits is found for each class, and a class of its own way is known as such."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, Qwen3Config, Qwen3ForCausalLM

from tests.trainyard_trainer.heads import SIZES, Squared, random_model
from trainyard_trainer.policy.logprobs.head import find_head

HEADS = {
    "qwen3": ({}, None, 1.0),
    "gemma2": ({"final_logit_softcapping": 2.0}, 2.0, 1.0),
    "granite": ({"logits_scaling": 4.0}, None, 0.25),
    "cohere2": ({"logit_scale": 0.0625}, None, 0.0625),
    "falcon_h1": ({"lm_head_multiplier": 0.5, "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8}, None, 0.5),
    "gpt2": ({}, None, 1.0),
}
"""By model type: what its config says besides sizes, and the softcap and scale that follow."""


@pytest.mark.parametrize("family", HEADS)
def test_cap_and_scale_are_found(family: str) -> None:
    """By the names that configs use, and proven on the model's own logits."""
    named, softcap, scale = HEADS[family]
    head = find_head(random_model(AutoConfig.for_model(family, **(SIZES | named))))
    assert (head.softcap, head.scale) == (softcap, scale)


def test_a_head_that_nothing_explains_is_none() -> None:
    """Then a pass asks the model itself."""
    assert find_head(random_model(Qwen3Config(**SIZES), Squared)) is None


def test_a_head_with_an_adapter_is_none() -> None:
    """Fresh, it computes what its base does; after an update it no longer would."""

    class Adapted(torch.nn.Linear):
        pass

    model = random_model(Qwen3Config(**SIZES), Qwen3ForCausalLM)
    model.lm_head = Adapted(32, 48, bias=False)
    assert find_head(model) is None

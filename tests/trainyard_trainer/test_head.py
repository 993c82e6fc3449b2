"""How hidden states become logits is found for each class, and a class of its own way is known as such."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

from trainyard_trainer.policy.head import find_head

SIZES = {
    "vocab_size": 48,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
HEADS = {
    "qwen3": ({}, None, 1.0),
    "gemma2": ({"final_logit_softcapping": 2.0}, 2.0, 1.0),
    "granite": ({"logits_scaling": 4.0}, None, 0.25),
    "cohere2": ({"logit_scale": 0.0625}, None, 0.0625),
    "falcon_h1": ({"lm_head_multiplier": 0.5, "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8}, None, 0.5),
    "gpt2": ({}, None, 1.0),
}
"""By model type: what its config says besides sizes, and the softcap and scale that follow."""


class Squared(Qwen3ForCausalLM):
    """A class whose logits are made in a way that nobody knows."""

    def forward(self, *args: Any, **options: Any) -> Any:
        output = super().forward(*args, **options)
        output.logits = output.logits + output.logits**2
        return output


def random_model(config: Any, make: Any = AutoModelForCausalLM.from_config) -> Any:
    """Weights large enough for caps and scales to be seen."""
    torch.manual_seed(0)
    model = make(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
    return model


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

"""Models whose logits show what becomes of them after the head's product."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForCausalLM, Qwen3ForCausalLM

SIZES = {
    "vocab_size": 48,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}


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

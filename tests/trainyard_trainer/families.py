"""Model families of transformers, each as a random model of a few thousand parameters."""

from __future__ import annotations

from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

VOCABULARY = 32
WINDOW = 6
"""Sliding windows are smaller than the sequences that tests sample."""

_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
_MAMBA = {"mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_n_groups": 1, "mamba_d_state": 8}
_LINEAR = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_conv_kernel_dim": 3,
}
_MIXED = {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]}

SLOT_FAMILIES: dict[str, dict[str, Any]] = {
    "qwen2": {},
    "qwen3": {},
    "qwen3_moe": _EXPERTS,
    "qwen3_next": {
        **_EXPERTS,
        **_LINEAR,
        "shared_expert_intermediate_size": 24,
        "layer_types": ["linear_attention", "full_attention"],
    },
    "llama": {},
    "mistral": {"sliding_window": WINDOW},
    "gemma2": {**_MIXED, "query_pre_attn_scalar": 8},
    "gemma3_text": {**_MIXED, "query_pre_attn_scalar": 8},
    "phi3": {},
    "gpt_oss": {**_MIXED, "num_local_experts": 4, "num_experts_per_tok": 2},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "falcon_h1": _MAMBA,
}
"""Families that the slot decoder must sample right, with what their configs need beyond the common sizes."""

FALLBACK_FAMILIES: dict[str, dict[str, Any]] = {
    "mamba2": {"num_heads": 4, "head_dim": 16, "state_size": 8, "n_groups": 1, "expand": 2, "chunk_size": 8},
}
"""Families that whole-batch generation must sample right."""

FAMILIES = SLOT_FAMILIES | FALLBACK_FAMILIES


def config_of(family: str) -> Any:
    """The config of a tiny model."""
    given = {**_SIZES, **FAMILIES[family]}
    if family == "gpt2":
        common = ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id")
        given = {name: given[name] for name in (*common, *FAMILIES["gpt2"])}
    return CONFIG_MAPPING[family](**given)


def model_of(family: str, seed: int = 0) -> Any:
    """A random model whose outputs depend strongly on everything that it has read."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config_of(family))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.25)
    return model.eval()

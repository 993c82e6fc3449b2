"""Tells by a saved model's config whether this trainer can train it: a causal language model of transformers.

Place in the data's way: station 4, before any weight is read. Reads one file and judges; loads nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from transformers import AutoConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

_TOWERS: Final = ("vision", "audio", "vq")
"""Parts of the names that configs give to the parts of a model which read something else than text."""


def config_of(folder: Path) -> Any:
    """Reads the transformers config of a saved model.

    Raises:
        OSError: there is none.
        ValueError: transformers has no such model; code that a folder brings along is never run.
    """
    return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def why_unsuitable(config: Any) -> str | None:
    """Names the rule that a config's model breaks; None for a causal language model."""
    name = model_name(config)
    parts = getattr(type(config), "sub_configs", {})
    if "text_config" in parts or any(tower in part for part in parts for tower in _TOWERS):
        return f"must be a language model that reads text alone; {name} is multimodal"
    if getattr(config, "is_encoder_decoder", False):
        return f"must be a causal language model; {name} is an encoder-decoder"
    if config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return f"must be a causal language model of transformers; {name} is none"
    return None


def model_name(config: Any) -> str:
    """Names the model's class as its config does, else the kind of the config."""
    architectures = getattr(config, "architectures", None)
    return str(architectures[0]) if architectures else type(config).__name__

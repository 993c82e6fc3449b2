"""Where a policy's first weights and its tokenizer come from: random ones, or a folder of this machine.

Place in the data's way: station 4. Transformers' own model code; safetensors only, no code from a model's folder,
nothing from the network. A folder that doesn't hold a causal language model with its tokenizer is the user's mistake,
and said so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging as transformers_logging

from trainyard_api.model_source import ScratchModel
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.char_tokenizer import char_tokenizer

# Its bars and hints would drown the run's own lines.
transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()

_LOCAL = {"local_files_only": True, "trust_remote_code": False}


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A causal language model in float32 and its tokenizer, as transformers has them.

    `pad_id` fills unused columns; masks leave them out, so any id serves.
    """

    model: Any
    tokenizer: Any
    pad_id: int


def scratch(spec: ScratchModel, alphabet: str, seed: int) -> LoadedModel:
    """A randomly initialised Qwen3 with the characters of `alphabet` and two special tokens as its vocabulary."""
    tokenizer = char_tokenizer(alphabet)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=spec.hidden_size,
        intermediate_size=spec.intermediate_size,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.attention_heads,
        num_key_value_heads=spec.key_value_heads,
        head_dim=spec.head_dim,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    return LoadedModel(model, tokenizer, tokenizer.pad_token_id)


def load_folder(folder: Path, *, field_path: str = "spec.model.path", value: str | None = None) -> LoadedModel:
    """The causal language model and tokenizer that `save_pretrained` wrote into `folder`.

    Args:
        folder: a folder of this machine.
        field_path: the manifest's field that named it, for the error.
        value: what that field said. Default: the folder.

    Raises:
        RefusedError: MODEL_NOT_FOUND without a folder; MODEL_UNSUITABLE where it holds anything else.
    """
    value = value or str(folder)
    if not folder.is_dir():
        raise RefusedError(
            TerminationReason.MODEL_NOT_FOUND, "must be a folder in the container", field_path=field_path, value=value
        )

    def unsuitable(rule: str) -> RefusedError:
        return RefusedError(TerminationReason.MODEL_UNSUITABLE, rule, field_path=field_path, value=value)

    if not any(folder.glob("*.safetensors")):
        raise unsuitable("must hold weights as safetensors, as save_pretrained writes them")
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **_LOCAL
        )
    except Exception as error:
        raise unsuitable(f"must hold a causal language model; {_first_line(error)}") from error
    if not (folder / "tokenizer_config.json").is_file():
        # Transformers would make an empty tokenizer up.
        raise unsuitable("must hold the model's tokenizer, as save_pretrained writes it: tokenizer_config.json")
    missing = sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"])
    if missing:
        # Transformers would fill them with random numbers and go on.
        raise unsuitable(f"must hold every weight of {type(model).__name__}; missing or of another shape: {missing[0]}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **_LOCAL)
    except Exception as error:
        raise unsuitable(f"must hold the model's tokenizer; {_first_line(error)}") from error
    pad_id = tokenizer.pad_token_id
    return LoadedModel(model, tokenizer, 0 if pad_id is None else pad_id)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__

"""Loads a policy's first weights and its tokenizer: random ones, or those of a folder of this machine.

Place in the data's way: station 4. Transformers' own model code; safetensors only, no code from a model's folder,
nothing from the network. A folder that doesn't hold a causal language model with its tokenizer is the user's mistake,
and said so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging as transformers_logging

from trainyard_api.algorithm import LoRA
from trainyard_api.model_source import ScratchModel
from trainyard_api.run_config import RunModel
from trainyard_api.termination import TerminationReason
from trainyard_trainer.chat.vocabulary import Vocabulary
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.char_tokenizer import char_tokenizer
from trainyard_trainer.models.supported import config_of, why_unsuitable

# Its bars and hints would drown the run's own lines.
transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()

_LOCAL = {"local_files_only": True, "trust_remote_code": False}
_Refusal = Callable[[str], RefusedError]


@dataclass(frozen=True, slots=True)
class Adapter:
    """Holds a low-rank adapter in the layers of a loaded model; see `models.lora`.

    Attributes:
        peft: peft's wrapper around the model; the model itself computes with the adapter as it stands.
        settings: rank, alpha, and the names of the layers, resolved and sorted.
        base_digest: digest of the weights that it was put on.
        base_model: where those come from; None where nobody said.
        reference: a frozen copy of the adapter that the run went on with; None where it began with the base alone.
    """

    peft: Any
    settings: LoRA
    base_digest: str
    base_model: RunModel | None = None
    reference: Mapping[str, torch.Tensor] | None = None


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """Holds a causal language model in float32 and its tokenizer, as transformers has them.

    Attributes:
        model: transformers' model. With an adapter only the adapter's parameters require gradients.
        tokenizer: transformers' tokenizer.
        pad_id: fills unused columns; masks leave them out, so any id serves.
        stop_ids: ids that end a turn, by the generation config and the tokenizer, sorted; may be empty.
        context_length: most tokens of a row; None where the model knows no limit.
        adapter: the adapter that is trained; None where all weights are.
    """

    model: Any
    tokenizer: Any
    pad_id: int
    stop_ids: tuple[int, ...] = ()
    context_length: int | None = None
    adapter: Adapter | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        """Gives what conversations need to know of the model."""
        size = self.model.get_input_embeddings().num_embeddings
        return Vocabulary(self.tokenizer, size, self.stop_ids, self.context_length)


def scratch(spec: ScratchModel, alphabet: str, seed: int) -> LoadedModel:
    """Makes a Qwen3 of random weights; its vocabulary is the characters of `alphabet` and two special tokens."""
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
    return LoadedModel(
        model.eval(),
        tokenizer,
        tokenizer.pad_token_id,
        stop_ids=(tokenizer.eos_token_id,),
        context_length=config.max_position_embeddings,
    )


def load_folder(folder: Path, *, field_path: str = "spec.model.path", value: str | None = None) -> LoadedModel:
    """Loads the causal language model and tokenizer that `save_pretrained` wrote into `folder`.

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

    if not has_weights(folder):
        raise unsuitable("must hold weights as safetensors, as save_pretrained writes them")
    model = _load_model(folder, unsuitable)
    if not (folder / "tokenizer_config.json").is_file():
        # Transformers would make an empty tokenizer up.
        raise unsuitable("must hold the model's tokenizer, as save_pretrained writes it: tokenizer_config.json")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **_LOCAL)
    except Exception as error:  # whatever a broken file makes the library raise, the file is the user's
        raise unsuitable(f"must hold the model's tokenizer; {_first_line(error)}") from error
    pad_id = tokenizer.pad_token_id
    return LoadedModel(
        model,
        tokenizer,
        # A pad token is often added without an embedding; masks leave it out, so any other id does as well.
        pad_id if pad_id is not None and pad_id < model.get_input_embeddings().num_embeddings else 0,
        stop_ids=_stop_ids(model, tokenizer, unsuitable),
        context_length=getattr(model.config, "max_position_embeddings", None),
    )


def has_weights(folder: Path) -> bool:
    """Tells whether weights lie in a folder itself, as safetensors."""
    return any(folder.glob("*.safetensors"))


def _load_model(folder: Path, unsuitable: _Refusal) -> Any:
    """Loads the model in float32, in eval mode; its files are mapped into memory and read tensor by tensor."""
    try:
        config = config_of(folder)
    except Exception as error:  # as above
        raise unsuitable(f"must hold a causal language model; {_first_line(error)}") from error
    if (rule := why_unsuitable(config)) is not None:
        raise unsuitable(rule)
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, config=config, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **_LOCAL
        )
    except Exception as error:  # as above
        raise unsuitable(f"must hold a causal language model; {_first_line(error)}") from error
    missing = sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"])
    if missing:
        # Transformers would fill them with random numbers and go on.
        raise unsuitable(f"must hold every weight of {type(model).__name__}; missing or of another shape: {missing[0]}")
    model.eval()
    if (weight := infinite_weight(model)) is not None:
        raise unsuitable(f"must hold finite weights; {weight} holds infinity, or what is no number")
    if not _is_causal(model):
        raise unsuitable(f"must be causal; what this {type(model).__name__} says of a token depends on later ones")
    return model


def infinite_weight(model: Any) -> str | None:
    """Names the first weight that isn't finite; None where all are."""
    weights = model.named_parameters()
    return next((name for name, weight in weights if not bool(torch.isfinite(weight).all())), None)


def _is_causal(model: Any) -> bool:
    """Tells whether a token leaves the logits of earlier ones alone; an encoder may be causal by name only."""
    last = min(5, model.get_input_embeddings().num_embeddings) - 1
    rows = torch.zeros(2, 4, dtype=torch.long)
    rows[1, -1] = last
    with torch.no_grad():
        logits = model(input_ids=rows, use_cache=False).logits[:, :-1]
    return bool(torch.allclose(logits[0], logits[1], rtol=1e-3, atol=1e-3))


def _stop_ids(model: Any, tokenizer: Any, unsuitable: _Refusal) -> tuple[int, ...]:
    """Collects the ids that end a turn: all that the model's files name, for a chat model often has two."""
    generation = model.generation_config.eos_token_id if model.generation_config is not None else None
    named = generation if isinstance(generation, (list, tuple)) else [generation]
    ids = {int(each) for each in (*named, tokenizer.eos_token_id) if each is not None}
    embeddings = model.get_input_embeddings().num_embeddings
    unknown = sorted(each for each in ids if not 0 <= each < embeddings)
    if unknown:
        raise unsuitable(
            f"must stop at ids of its own vocabulary, 0 to {embeddings - 1}; generation_config.json or the tokenizer "
            f"names {', '.join(map(str, unknown))}"
        )
    return tuple(sorted(ids))


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__

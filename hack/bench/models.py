"""Models that benchmarks run: random, seeded, from a config alone, with a tokenizer of words.

Weights are random, so what is sampled means nothing; what it costs is a trained model's. Text is `w17 w4`, one word for
each id: trainers that take prompts as text get exactly the ids that others get.
"""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

PAD, EOS, UNKNOWN, FIRST_WORD = 0, 1, 2, 3
END = "<eos>"
CONTEXT = 256
"""Most tokens of a row."""
CONFIGS: dict[str, dict[str, Any]] = {
    "bench-60m": {
        "vocab_size": 32_000,
        "hidden_size": 512,
        "intermediate_size": 1_792,
        "num_hidden_layers": 12,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 64,
        "tie_word_embeddings": True,
    },
    "tiny": {
        "vocab_size": 21,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "tie_word_embeddings": False,
    },
}


def make_model(name: str) -> Qwen3ForCausalLM:
    """Makes a Qwen3 of one of `CONFIGS`, float32, in eval mode; the same weights at every call."""
    config = Qwen3Config(
        **CONFIGS[name], max_position_embeddings=CONTEXT, pad_token_id=PAD, bos_token_id=None, eos_token_id=EOS
    )
    torch.manual_seed(0)
    return Qwen3ForCausalLM(config).eval()


def make_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """Makes a tokenizer with one word for each id; the first ones are special."""
    words = {"<pad>": PAD, END: EOS, "<unk>": UNKNOWN} | {f"w{number}": number for number in range(3, vocabulary)}
    tokenizer = Tokenizer(WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token=END, unk_token="<unk>", padding_side="left"
    )


def as_text(token_ids: tuple[int, ...]) -> str:
    """Writes the text that `make_tokenizer` reads as these ids."""
    return " ".join(f"w{number}" for number in token_ids)


def parameters_of(model: torch.nn.Module) -> int:
    """Counts the weights, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())

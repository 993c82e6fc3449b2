"""Model directories for chats with tools: a byte-level tokenizer, a small ChatML template, a random small Qwen3.

The tokenizer's merges are learnt from what `arithmetic-tools` says, so that words are few tokens; digits
stay alone. Every text can be written, byte by byte.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from trainyard_trainer.models.load import LoadedModel

PAD, START, END, CALL, CALLED = "<|pad|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"
VOCABULARY = 560
PIECES = (
    "tools\nsum_1_to_n(n)\ncalculator(expression)",
    *("user\n", "assistant\n", "tool\n", "system\n", "\n", "\nerror: "),
    *("What is ", "What is the sum of the whole numbers from ", " to ", ", times ", "?", "+", "-", "*"),
    *('{"name": "calculator", "arguments": {"expression": "', '"}}'),
    *('{"name": "sum_1_to_n", "arguments": {"n": ', "}}"),
    *("user\nWhat is ", "user\nWhat is the sum of the whole numbers from ", "tool\n-"),
)
"""What is usually said."""

_TOOLS = (
    "{%- if tools %}<|im_start|>tools{% for tool in tools %}{{ '\\n' + tool.function.name }}"
    "({{ tool.function.parameters.properties | join(', ') }}){% endfor %}<|im_end|>\n{% endif -%}"
)
_CALLS = (
    "{% for call in calls %}<tool_call>"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}'
    "</tool_call>{% endfor %}"
)
_OPEN = "{%- if add_generation_prompt %}<|im_start|>assistant\n{% endif -%}"

STABLE = (
    _TOOLS + "{%- for message in messages -%}"
    "{%- if message.role != 'tool' or loop.first or loop.previtem.role != 'tool' %}<|im_start|>{{ message.role }}"
    "{% endif %}{{ '\\n' + message.content }}{% set calls = message.tool_calls or [] %}"
    + _CALLS
    + "{% if message.role != "
    "'tool' or loop.last or loop.nextitem.role != 'tool' %}<|im_end|>\n{% endif %}{%- endfor -%}" + _OPEN
)
"""ChatML with tools; results of one turn stand in one message, in their order."""
FORGETFUL = STABLE.replace("message.tool_calls or []", "message.tool_calls if message.tool_calls and loop.last else []")
"""The same, but calls of earlier turns vanish when the conversation goes on: not prefix-stable."""


@functools.cache
def _backend() -> str:
    """The tokenizer as JSON, with merges learnt from `PIECES`."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY, min_frequency=2, special_tokens=[PAD, START, END], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    tokenizer.train_from_iterator([piece for piece in PIECES for _ in range(4)], trainer)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in (CALL, CALLED)])
    return tokenizer.to_str()


def tokenizer(template: str = STABLE, **more: Any) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with a chat template."""
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_backend()), pad_token=PAD, eos_token=END, chat_template=template,
        clean_up_tokenization_spaces=False, **more,
    )  # fmt: skip


def loaded(template: str = STABLE, seed: int = 0, hidden: int = 64, layers: int = 2, **more: Any) -> LoadedModel:
    """A random Qwen3 with this template."""
    chosen = tokenizer(template, **more)
    config = Qwen3Config(
        vocab_size=len(chosen), hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, tie_word_embeddings=False,
        pad_token_id=chosen.pad_token_id, eos_token_id=chosen.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
    return LoadedModel(model, chosen, chosen.pad_token_id)


def write(folder: Path, template: str = STABLE, seed: int = 0, **more: Any) -> Path:
    """A model directory, as `save_pretrained` writes it."""
    made = loaded(template, seed, **more)
    made.model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    return folder

"""Small real models for conversations: a byte-level tokenizer that knows a template's own tokens, a tiny Qwen3."""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from trainyard_trainer.models.char_tokenizer import char_tokenizer
from trainyard_trainer.models.load import LoadedModel

PAD, END = "<|pad|>", "<|im_end|>"
VOCABULARY: Final = 512
CHATML = (
    "{%- if tools %}<|im_start|>tools{% for tool in tools %}{{ '\\n' + tool.function.name }}"
    "({{ tool.function.parameters.properties | join(', ') }}){% endfor %}<|im_end|>\n{% endif -%}"
    "{%- for message in messages -%}"
    "{%- if message.role != 'tool' or loop.first or loop.previtem.role != 'tool' %}<|im_start|>{{ message.role }}"
    "{% endif %}{{ '\\n' + message.content }}{% for call in message.tool_calls or [] %}<tool_call>"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>{% endfor %}'
    "{% if message.role != 'tool' or loop.last or loop.nextitem.role != 'tool' %}<|im_end|>\n{% endif %}{%- endfor -%}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{% endif -%}"
)
"""ChatML with tools; results of one turn stand in one message."""
ENDS: Final = {
    "qwen2_5": END,
    "qwen3": END,
    "qwen3_instruct_2507": END,
    "lfm2": END,
    "llama3": "<|eot_id|>",
    "llama3_2": "<|eot_id|>",
    "phi3": "<|end|>",
    "gemma": "<end_of_turn>",
    "gemma3": "<end_of_turn>",
    "cohere2": "<|END_OF_TURN_TOKEN|>",
    "deepseekv3": "<\uff5cend\u2581of\u2581sentence\uff5c>",
}
"""Chat templates of well-known models, as trl ships them, and the token that ends a turn in each."""
RESPONSE_TEMPLATE: Final = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "reasoning_content": {"open": "<think>", "close": "</think>", "content": "text"},
        "tool_calls": {
            "open": "[[",
            "close": "]]",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close": "<|im_end|>", "content": "text"},
    },
}
"""A tokenizer's own rule, in the terms of transformers: calls stand in double brackets."""
_CONTROL = re.compile(r"<[|\uff5c][^<>\s]{1,40}[|\uff5c]>|</?(?:start_of_turn|end_of_turn|bos|eos|s)>")
_TAGS = ("<tool_call>", "</tool_call>", "<think>", "</think>")


@functools.cache
def known_templates() -> dict[str, tuple[str, str]]:
    """Returns template and end of a turn by name: those of `ENDS`, and `CHATML`."""
    spec = importlib.util.find_spec("trl")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("trl, of which the chat templates are taken")
    folder = Path(spec.origin).parent / "chat_templates"
    found = {name: ((folder / f"{name}.jinja").read_text(encoding="utf-8"), end) for name, end in ENDS.items()}
    return {"chatml": (CHATML, END), **found}


@functools.cache
def chat_tokenizer(base: str) -> PreTrainedTokenizerFast:
    """Makes a tokenizer of single bytes and of the control tokens in a known template; it has no template yet."""
    template, end = known_templates()[base]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(BPE(vocab={char: number for number, char in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    control = dict.fromkeys([PAD, end, *_CONTROL.findall(template)])
    backend.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in control])
    backend.add_tokens([AddedToken(text, normalized=False) for text in _TAGS if text in template])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=PAD, eos_token=end, clean_up_tokenization_spaces=False
    )


@functools.cache
def tiny_model() -> Qwen3ForCausalLM:
    """Makes a random model that has embeddings for all tokens of every tokenizer here."""
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=8,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Qwen3ForCausalLM(config)


def chat_model(template: str = CHATML, base: str = "chatml", **more: Any) -> LoadedModel:
    """Makes a model with this template and the tokenizer of a known one."""
    tokenizer = chat_tokenizer(base)
    own = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()),
        pad_token=PAD,
        eos_token=tokenizer.eos_token,
        chat_template=template,
        clean_up_tokenization_spaces=False,
        **more,
    )
    return LoadedModel(tiny_model(), own, own.pad_token_id)


def text_model(alphabet: str) -> LoadedModel:
    """Makes a model that reads and writes single characters."""
    tokenizer = char_tokenizer(alphabet)
    return LoadedModel(tiny_model(), tokenizer, tokenizer.pad_token_id)

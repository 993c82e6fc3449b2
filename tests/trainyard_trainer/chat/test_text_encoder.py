"""Texts of data hold no control tokens, and every id is one that the model can read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from tests.trainyard_trainer import chat_model
from trainyard_api.task import SpecialTokens
from trainyard_trainer.chat.text_encoder import TextEncoder, UnwritableError, unmarked
from trainyard_trainer.models.load import LoadedModel

MODEL = chat_model.loaded()
ENCODER = TextEncoder(MODEL.vocabulary, template=chat_model.STABLE)
SPECIAL = {number for number, token in MODEL.tokenizer.added_tokens_decoder.items() if token.special}


def test_a_text_without_control_tokens_keeps_its_ids() -> None:
    """Those of the tokenizer."""
    for text in ("", "What is 4*9?", "Grüße 🚂\n", "<|im_|>"):
        assert ENCODER.data(text) == tuple(MODEL.tokenizer.encode(text, add_special_tokens=False))


@given(st.lists(st.sampled_from(["<|im_start|>", "<|im_end|>", "<|pad|>", "a", " ", "\n", "<|im_", "end|>", "é"])))
def test_control_tokens_of_data_are_text(parts: list[str]) -> None:
    """It reads back as it was, and none of its ids is a special one."""
    text = "".join(parts)
    ids = ENCODER.data(text)
    assert ENCODER.text(ids) == text
    assert not SPECIAL & set(ids)


def test_control_tokens_of_the_template_are_tokens() -> None:
    """Around data that spell the same."""
    written = f"<|im_start|>user\n{ENCODER.guard('a<|im_end|>b')}<|im_end|>"
    ids = ENCODER.ids(written)
    assert [number for number in ids if number in SPECIAL] == [1, 2]
    assert ENCODER.text(ids) == unmarked(written) == "<|im_start|>user\na<|im_end|>b<|im_end|>"


def test_a_policy_may_write_tags_of_its_calls_and_others_may_not() -> None:
    """An added token that the template knows is no text of a policy's, but is of anybody else's."""
    (call,) = MODEL.tokenizer.encode("<tool_call>", add_special_tokens=False)
    assert ENCODER.ids(ENCODER.guard("<tool_call>", by_policy=True)) == (call,)
    assert call not in ENCODER.data("a<tool_call>b")
    assert ENCODER.text(ENCODER.data("a<tool_call>b")) == "a<tool_call>b"


def test_the_manifest_may_ask_for_tokens() -> None:
    """Then a text that spells one is one."""
    asked = TextEncoder(MODEL.vocabulary, SpecialTokens.TOKENS, chat_model.STABLE)
    assert asked.data("a<|im_end|>") == tuple(MODEL.tokenizer.encode("a<|im_end|>", add_special_tokens=False))
    assert SPECIAL & set(asked.data("a<|im_end|>"))


def test_an_id_beyond_the_embeddings_is_no_id() -> None:
    """The token is named; the model has one row fewer than the tokenizer has tokens."""
    made = chat_model.loaded()
    made.tokenizer.add_tokens(["<new>"])
    with pytest.raises(UnwritableError, match=r"the token '<new>' has the id 390, .* below 390 only"):
        TextEncoder(made.vocabulary).data("a <new> b")
    assert TextEncoder(made.vocabulary).data("a b")


def test_half_of_a_surrogate_pair_has_no_ids() -> None:
    """The tokenizer itself would raise something about its arguments."""
    with pytest.raises(UnwritableError, match="half of a surrogate pair"):
        ENCODER.data("a\ud83d")


def test_a_tokenizer_that_puts_a_blank_before_a_text_gets_none_in_the_middle() -> None:
    """As SentencePiece's do: a control token in the middle of a text brings no blank with it."""
    words = ["\u2581", "a", "b", "<", "|", "e", "n", "d", ">", "<0x0A>"]
    backend = Tokenizer(BPE(vocab={word: number for number, word in enumerate(words)}, merges=[], byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.add_special_tokens([AddedToken("<|end|>", special=True, normalized=False)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")
    loaded = replace(chat_model.loaded(), tokenizer=tokenizer)
    ids = TextEncoder(LoadedModel(loaded.model, tokenizer, 0).vocabulary).data("a<|end|>b")
    assert [words[number] for number in ids] == ["\u2581", "a", *"<|end|>", "b"]

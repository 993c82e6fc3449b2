"""Texts become ids and ids become texts; a tokenizer that can't is refused."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from trainyard_api.model_source import ScratchModel
from trainyard_api.termination import TerminationReason
from trainyard_trainer.chat.plain_text import PlainText
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.load import LoadedModel, scratch
from trainyard_trainer.tasks.calculator import CalculatorTask

SCRATCH = scratch(ScratchModel(), CalculatorTask.alphabet, 0)


def codec(
    characters: str,
    merges: list[tuple[str, str]] | None = None,
    *,
    frame: bool = False,
    model: LoadedModel = SCRATCH,
) -> PlainText:
    """A codec over a byte-pair tokenizer of these characters, and a model with as many embeddings as another has."""
    tokens = ["<s>", "</s>", *characters, *("".join(pair) for pair in merges or [])]
    backend = Tokenizer(BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges or []))
    backend.decoder = decoders.Fuse()
    if frame:
        backend.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
    return PlainText(LoadedModel(model.model, tokenizer, 0).vocabulary, CalculatorTask.stop_texts)


def test_texts_come_back() -> None:
    """Special tokens that the policy sampled are shown, not dropped."""
    chosen = PlainText(SCRATCH.vocabulary, CalculatorTask.stop_texts)
    assert chosen.text(chosen.continuation("Q47*93;C-+A$R0")) == "Q47*93;C-+A$R0"
    assert chosen.text([0, 1, 20]) == "<pad>0<eos>"
    assert chosen.stop_ids == (*chosen.continuation(";"), *chosen.continuation("$"))


def test_a_prompt_opens_as_the_tokenizer_opens_a_text_and_does_not_end() -> None:
    """A tokenizer's opening token is kept, its closing one isn't; later texts have neither."""
    framed = codec(CalculatorTask.alphabet, frame=True)
    assert framed.prompt("Q;") == (0, *framed.continuation("Q;"))
    assert 1 not in framed.prompt("Q;")
    plain = PlainText(SCRATCH.vocabulary, CalculatorTask.stop_texts)
    assert plain.prompt("Q;") == plain.continuation("Q;")


def test_a_stop_text_of_two_tokens_is_refused() -> None:
    """The sampler stops at ids, so each must be one."""
    with pytest.raises(RefusedError) as refusal:
        codec(CalculatorTask.alphabet.replace(";", ""))
    assert refusal.value.reason is TerminationReason.MODEL_UNSUITABLE
    assert (refusal.value.field_path, refusal.value.value) == ("spec.model", ";")


def test_a_missing_character_is_refused_and_named() -> None:
    """A tokenizer without digits can't do sums."""
    with pytest.raises(RefusedError, match="alphabet") as refusal:
        codec("QCRA;$+-*012345").require(CalculatorTask.alphabet)
    assert refusal.value.reason is TerminationReason.MODEL_UNSUITABLE
    assert (refusal.value.field_path, refusal.value.value) == ("spec.model", "6789")


def test_merged_tokens_are_fine() -> None:
    """A byte-pair vocabulary with merges writes the same texts in fewer tokens."""
    merged = codec(
        CalculatorTask.alphabet,
        [("0", "0"), ("4", "7")],
        model=scratch(ScratchModel(), f"{CalculatorTask.alphabet}xyz", 0),
    )
    merged.require(CalculatorTask.alphabet)
    assert len(merged.continuation("Q47")) == 2
    assert merged.text(merged.continuation("Q47*93;")) == "Q47*93;"


def test_what_a_tokenizer_puts_before_a_text_needs_an_embedding() -> None:
    """Else every prompt would end the run."""
    vocabulary = {token: number for number, token in enumerate(CalculatorTask.alphabet)}
    backend = Tokenizer(BPE(vocab=vocabulary, merges=[]))
    backend.add_special_tokens(["<s>"])
    backend.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 19)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>")
    small = scratch(ScratchModel(), CalculatorTask.alphabet[:-2], 0)
    with pytest.raises(RefusedError, match="must have embeddings for what its tokenizer puts before a text; it has 19"):
        PlainText(LoadedModel(small.model, tokenizer, 0).vocabulary, ("0",))

"""Models of the fuzzers know the control tokens of every template that they talk in."""

from __future__ import annotations

import pytest

from hack.fuzz.models import CHATML, VOCABULARY, chat_model, chat_tokenizer, known_templates, text_model


@pytest.mark.parametrize("name", known_templates())
def test_the_end_of_a_turn_is_one_token_and_every_id_has_an_embedding(name: str) -> None:
    """As in the model that the template comes from; any other text is bytes."""
    tokenizer = chat_tokenizer(name)
    _, end = known_templates()[name]
    assert tokenizer.convert_ids_to_tokens(tokenizer.encode(end, add_special_tokens=False)) == [end]
    assert len(tokenizer) <= VOCABULARY
    assert tokenizer.decode(tokenizer.encode("\u00e4\U0001f600 x", add_special_tokens=False)) == "\u00e4\U0001f600 x"


def test_a_template_changes_no_other_models() -> None:
    """Tokenizers are made once, templates are set on a copy."""
    other = chat_model("{{ messages }}")
    assert chat_model().tokenizer.chat_template == CHATML
    assert other.tokenizer.chat_template == "{{ messages }}"
    assert chat_tokenizer("chatml").chat_template is None


def test_a_text_model_reads_single_characters() -> None:
    """Its alphabet, and no other."""
    tokenizer = text_model("01+").tokenizer
    assert len(tokenizer.encode("1+0", add_special_tokens=False)) == 3

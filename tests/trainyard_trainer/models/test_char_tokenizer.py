"""One token per character, written and read as any tokenizer."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer

from trainyard_trainer.models.char_tokenizer import char_tokenizer


def test_every_character_is_one_token_after_a_round_trip_through_files(tmp_path: Path) -> None:
    """AutoTokenizer reads what save_pretrained wrote."""
    char_tokenizer("ab;$ä").save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.encode("b;äa$") == [2, 3, 5, 1, 4]
    assert tokenizer.decode([2, 3, 5, 1, 4]) == "b;äa$"
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, len(tokenizer)) == (0, 6, 7)

"""What conversations know of a model is what the model says of itself."""

from __future__ import annotations

from pathlib import Path

from tests.trainyard_trainer import chat_model, policies
from trainyard_trainer.models.load import load_folder


def test_every_id_that_can_be_read_has_an_embedding() -> None:
    """The size is the model's, which may have more embeddings than its tokenizer has words."""
    for loaded in (policies.loaded(), chat_model.loaded()):
        vocabulary = loaded.vocabulary
        assert vocabulary.size == loaded.model.get_input_embeddings().num_embeddings
        assert len(vocabulary.tokenizer) <= vocabulary.size
        assert all(0 <= stop < vocabulary.size for stop in vocabulary.stop_ids)


def test_a_chats_turns_end_as_its_tokenizer_says(tmp_path: Path) -> None:
    """Ids are sorted, and each is there once."""
    loaded = load_folder(chat_model.write(tmp_path))
    assert loaded.tokenizer.eos_token_id in loaded.vocabulary.stop_ids
    assert list(loaded.vocabulary.stop_ids) == sorted(set(loaded.vocabulary.stop_ids))

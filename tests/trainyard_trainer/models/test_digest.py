"""A digest of weights is of the weights: not of how they were saved, and of nothing less."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.trainyard_trainer.families import model_of
from tests.trainyard_trainer.saved_models import save_family
from trainyard_trainer.models.char_tokenizer import char_tokenizer
from trainyard_trainer.models.digest import weights_digest
from trainyard_trainer.models.load import load_folder


def test_one_changed_bit_makes_another_digest() -> None:
    """Wherever it is."""
    model = model_of("llama")
    before = weights_digest(model)
    assert weights_digest(model_of("llama")) == before
    digests = {before}
    for parameter in model.parameters():
        with torch.no_grad():
            flat = parameter.view(-1)
            flat[-1] = torch.nextafter(flat[-1], torch.tensor(1e9))
        digests.add(weights_digest(model))
    assert len(digests) == 1 + len(list(model.parameters()))


def test_how_the_files_are_cut_and_typed_makes_no_difference(tmp_path: Path) -> None:
    """In one file or several, in half precision or in a wider type that holds the same numbers."""
    model = model_of("llama").to(torch.bfloat16)
    for name, size, dtype in (
        ("one", "1GB", torch.bfloat16),
        ("many", "8KB", torch.bfloat16),
        ("wide", "1GB", torch.float32),
    ):
        model.to(dtype).save_pretrained(tmp_path / name, max_shard_size=size)
        char_tokenizer("abc").save_pretrained(tmp_path / name)
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 1
    assert len({weights_digest(load_folder(tmp_path / name).model) for name in ("one", "many", "wide")}) == 1


def test_another_seed_has_another_digest(tmp_path: Path) -> None:
    """As it must, for the adapter of one model is refused by the other."""
    one, other = (load_folder(save_family("gpt2", tmp_path / str(seed), seed)).model for seed in (0, 1))
    assert weights_digest(one) != weights_digest(other)

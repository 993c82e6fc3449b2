"""A model is read in passes, each prompt from its beginning."""

from __future__ import annotations

import pytest
import torch

from tests.trainyard_trainer import families
from tests.trainyard_trainer.talks import Policy
from trainyard_trainer.sampling.in_process.reading import CachedModel, UnknownCacheError, ragged_mask


def test_a_model_without_a_known_cache_is_not_for_slots() -> None:
    """Mamba would ignore a cache given by its usual name; that is found out before anything is sampled."""
    with pytest.raises(UnknownCacheError, match="takes no past_key_values"):
        CachedModel(Policy(families.model_of("mamba2")))


@pytest.mark.parametrize("family", ["qwen3", "qwen3_next"])
def test_every_prompt_is_read_once_and_says_what_it_says_alone(family: str) -> None:
    """In passes of several lengths, or of one where padding could leak into states."""
    model = CachedModel(Policy(families.model_of(family)))
    prompts = [(4, 5, 6), (7, 8), (9, 10, 12, 13), (15, 16)]
    seen: list[int] = []
    for chosen, read in model.read_prompts(prompts):
        seen += chosen
        assert read.rows.lengths == tuple(len(prompts[index]) for index in chosen)
        if model.stateful:
            assert len({len(prompts[index]) for index in chosen}) == 1
        for index, logits in zip(chosen, read.logits, strict=True):
            with torch.no_grad():
                alone = model.policy.model(input_ids=torch.tensor([prompts[index]])).logits[0, -1]
            torch.testing.assert_close(logits, alone, rtol=1e-4, atol=1e-4)
    assert sorted(seen) == [0, 1, 2, 3]


def test_reading_on_is_reading_all_at_once() -> None:
    """Tokens behind prompts of different lengths."""
    model = CachedModel(Policy(families.model_of("qwen3")))
    prompts, more = [(4, 5, 6), (7, 8)], [(9, 10), (12, 13)]
    ((chosen, read),) = model.read_prompts(prompts)
    found = model.read_on(read.rows, [more[index] for index in chosen])
    for index, logits in zip(chosen, found.logits, strict=True):
        with torch.no_grad():
            whole = model.policy.model(input_ids=torch.tensor([prompts[index] + more[index]])).logits[0, -1]
        torch.testing.assert_close(logits, whole, rtol=1e-4, atol=1e-4)


def test_a_mask_is_there_where_rows_are_of_different_lengths() -> None:
    """Padding stands before a row; what follows is used in every row."""
    cpu = torch.device("cpu")
    assert ragged_mask((3, 3), 3, 2, cpu) is None
    mask = ragged_mask((3, 1), 3, 1, cpu)
    assert mask is not None
    assert mask.tolist() == [[1, 1, 1, 1], [0, 0, 1, 1]]

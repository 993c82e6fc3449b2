"""Rows of caches keep their content wherever they are put."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer, LinearAttentionLayer

from trainyard_trainer.sampling.in_process.cache import CacheRows, join

WINDOW = 4


def rows(*lengths: int, value: float, total: int | None = None) -> CacheRows:
    """Conversations whose columns hold value + row + column / 100 in a plain and a sliding layer, and a state."""
    total = total or max(lengths)
    keys = torch.full((len(lengths), 1, total, 1), 999.0)
    for row, length in enumerate(lengths):
        keys[row, 0, total - length :, 0] = value + row + torch.arange(length) / 100
    cache = DynamicCache()
    cache.layers = [DynamicLayer(), DynamicSlidingWindowLayer(sliding_window=WINDOW), LinearAttentionLayer()]
    for layer in cache.layers[:2]:
        layer.update(keys, keys + 0.5)
    cache.layers[2].update_conv_state(
        torch.full((len(lengths), 1, 2), value) + torch.arange(len(lengths))[:, None, None]
    )
    return CacheRows.of(cache, lengths, total)


def content(found: CacheRows, row: int) -> list[float]:
    """A row's keys in the plain layer, read through transformers' own cache."""
    layer = found.cache().layers[0]
    return [round(value, 2) for value in layer.keys[row, 0, found.total - found.lengths[row] :, 0].tolist()]


def test_rows_of_several_blocks_are_put_together_with_their_ends_aligned() -> None:
    """Each row keeps its own keys and states, whatever the other rows' lengths."""
    first, second = rows(2, 3, value=10), rows(1, 5, value=20)
    found = join([second.take([1]), first.take([1, 0])])
    assert (found.lengths, found.total) == ((5, 3, 2), 5)
    assert content(found, 0) == [21.0, 21.01, 21.02, 21.03, 21.04]
    assert content(found, 1) == [11.0, 11.01, 11.02]
    assert found.cache().layers[2].conv_states[0][:, 0, 0].tolist() == [21.0, 11.0, 10.0]


def test_a_window_keeps_its_last_columns_only() -> None:
    """One less than the window, and the layer knows how many columns there were."""
    layer = join([rows(2, value=10), rows(9, value=20)]).cache().layers[1]
    assert layer.keys.shape[-2] == WINDOW - 1
    assert layer.get_seq_length() == 9
    assert [round(value, 2) for value in layer.keys[1, 0, :, 0].tolist()] == [20.06, 20.07, 20.08]
    assert [round(value, 2) for value in layer.keys[0, 0, 1:, 0].tolist()] == [10.0, 10.01]


def test_columns_that_no_row_uses_are_dropped() -> None:
    """Padding doesn't pile up from turn to turn."""
    assert rows(2, 3, value=0, total=9).take([0]).cache().layers[0].keys.shape[-2] == 2


def test_taken_rows_are_copies() -> None:
    """Reading on from them leaves where they came from as it was."""
    kept = rows(3, value=1)
    cache = kept.take([0]).cache()
    cache.layers[2].conv_states[0].fill_(7.0)
    cache.layers[0].update(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    assert kept.cache().layers[2].conv_states[0].max() == 1.0
    assert content(kept, 0) == [1.0, 1.01, 1.02]


def test_only_columns_can_be_taken_back() -> None:
    """A plain layer forgets its last columns; a state, or a window, can't be unread."""
    cache = DynamicCache()
    cache.layers = [DynamicLayer()]
    cache.layers[0].update(torch.arange(5.0).view(1, 1, 5, 1), torch.zeros(1, 1, 5, 1))
    found = CacheRows.of(cache, (3,), 5).take([0], trim=2)
    assert found.cache().layers[0].keys.flatten().tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="can't go back"):
        rows(3, value=1).take([0], trim=1)

"""Rows of keys and values keep their content wherever they are put."""

from __future__ import annotations

import torch

from trainyard_trainer.sampling.key_values import Block, gather


def block(*lengths: int, columns: int, value: int) -> Block:
    """Rows whose used columns hold value + row; unused ones hold rubbish."""
    mask = torch.zeros(len(lengths), columns, dtype=torch.long)
    keys = torch.full((len(lengths), 1, columns, 1), 999.0)
    for row, length in enumerate(lengths):
        mask[row, columns - length :] = 1
        keys[row, :, columns - length :] = value + row
    return Block(((keys, keys + 0.5),), mask)


def content(found: Block, row: int) -> tuple[list[float], list[float]]:
    """Keys and values of a row's used columns."""
    used = found.mask[row].bool()
    keys, values = found.layers[0]
    return keys[row, 0, used, 0].tolist(), values[row, 0, used, 0].tolist()


def test_rows_of_several_blocks_are_put_together_in_the_order_asked_for() -> None:
    """Each row keeps its own keys and values, whatever the other rows' lengths."""
    first, second = block(2, 3, columns=4, value=10), block(1, 5, columns=6, value=20)
    found = gather([(second, 1), (first, 0), (second, 0), (first, 1)])
    assert [content(found, row)[0] for row in range(4)] == [[21.0] * 5, [10.0] * 2, [20.0], [11.0] * 3]
    assert content(found, 0)[1] == [21.5] * 5


def test_columns_that_no_row_uses_are_dropped() -> None:
    """Padding doesn't pile up from turn to turn."""
    assert block(2, 3, columns=9, value=0).rows([0]).mask.shape == (1, 2)


def test_a_cache_made_of_a_block_does_not_change_it() -> None:
    """Decoding on from a block leaves it as it was."""
    kept = block(2, columns=2, value=1)
    cache = kept.cache()
    cache.update(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), 0)
    assert kept.layers[0][0].shape[-2] == 2
    assert cache.get_seq_length() == 3

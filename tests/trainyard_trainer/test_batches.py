"""Rows become tensors without losing or inventing a token."""

from __future__ import annotations

import math

import torch

from trainyard_trainer.policy.batches import Row, micro_batches

ROWS = [
    Row((1, 2, 3), (False, True, True), (0.5,) * 3, 0.25, (math.nan, -1.0, -2.0)),
    Row((4,), (True,), (1.0,), 0.5),
    Row((5, 6), (False, True), (2.0,) * 2, 0.25),
]


def test_rows_are_padded_on_the_right_and_weigh_only_where_trained() -> None:
    """Padding is unattended, unmasked and weightless."""
    (batch,) = micro_batches(ROWS, pad_id=9)
    assert batch.token_ids.tolist() == [[1, 2, 3], [4, 9, 9], [5, 6, 9]]
    assert batch.attention.tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    assert batch.weights.tolist() == [[0.0, 0.25, 0.25], [0.5, 0.0, 0.0], [0.0, 0.25, 0.0]]
    assert torch.equal(batch.weights > 0, batch.mask)
    assert batch.sampler_logprobs[0, 1:].tolist() == [-1.0, -2.0]
    assert batch.sampler_logprobs[1:].isnan().all()


def test_micro_batches_keep_order_and_bound() -> None:
    """Every row occurs once, in order; none but a single long row exceeds the bound, padding included."""
    for bound in range(1, 12):
        cut = micro_batches(ROWS, 0, max_tokens=bound)
        assert [ids[0] for batch in cut for ids in batch.token_ids.tolist()] == [1, 4, 5]
        assert all(batch.token_ids.numel() <= bound or len(batch.token_ids) == 1 for batch in cut)
    assert micro_batches([], 0) == []

"""Rows become tensors without losing or inventing a token."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from trainyard_trainer.policy.batches import Row, micro_batch

NAN = math.nan
ROWS = [
    Row((1, 2, 3), (False, True, True), (0.5, 0.5, 0.75), (0.0, 0.25, 0.125), 7, (NAN, -1.0, -2.0)),
    Row((4,), (False,), (1.0,), (0.0,), 7),
    Row((5, 6), (False, True), (2.0, 2.0), (0.0, 0.5), 3, on_policy=False),
]


def test_rows_are_padded_on_the_right_and_their_trained_tokens_stand_flat() -> None:
    """Padding is unattended; a trained token is said at the column before it; trajectories are numbered from 0."""
    batch = micro_batch(ROWS, pad_id=9)
    assert batch.token_ids.tolist() == [[1, 2, 3], [4, 9, 9], [5, 6, 9]]
    assert batch.attention.tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    assert batch.positions.tolist() == [0, 1, 6]
    assert batch.targets.tolist() == [2, 3, 6]
    assert batch.advantages.tolist() == [0.5, 0.75, 2.0]
    assert batch.weights.tolist() == [0.25, 0.125, 0.5]
    assert batch.trajectories.tolist() == [0, 0, 1]
    assert batch.on_policy.tolist() == [True, True, False]
    assert batch.sampler_logprobs[:2].tolist() == [-1.0, -2.0]
    assert batch.sampler_logprobs[2:].isnan().all()
    assert (batch.reference_logprobs, batch.support, batch.tokens) == (None, None, 9)


def test_numbers_of_some_rows_only_are_nan_in_the_others() -> None:
    """Reference and old log-probabilities; numbers keep the precision that Python's have."""
    third = 1 / 3
    batch = micro_batch([replace(ROWS[0], reference_logprobs=(NAN, third, third)), ROWS[2]], pad_id=0)
    assert batch.reference_logprobs.tolist()[:2] == [third, third]
    assert batch.reference_logprobs[2:].isnan().all()
    assert batch.old_logprobs.isnan().all()


def test_a_support_belongs_to_its_token() -> None:
    """The first row's second trained token was drawn from two ids, the others from all."""
    batch = micro_batch([replace(ROWS[0], support=(None, None, (3, 8))), ROWS[2]], pad_id=0)
    assert batch.support.positions.tolist() == [1]
    assert batch.support.ids.tolist() == [3, 8]
    assert batch.to(torch.device("cpu")).support.lengths.tolist() == [2]


def test_a_row_whose_first_token_is_trained_is_refused() -> None:
    """Nothing comes before it, so nothing predicts it."""
    with pytest.raises(ValueError, match=r"^mask: a row's first token can't be trained"):
        micro_batch([Row((4,), (True,), (1.0,), (1.0,), 0)], pad_id=0)

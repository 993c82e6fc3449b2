"""What an update measures: shares and means over its tokens, whatever passes they came in."""

from __future__ import annotations

import math

import pytest
import torch

from tests.trainyard_trainer.policies import ROWS, policy
from trainyard_trainer.policy.loss_inputs import LossInputs, TokenLosses
from trainyard_trainer.policy.tally import Tally, finite


def clipped(inputs: LossInputs) -> TokenLosses:
    """The first token of each trajectory cut below, the others above; the penalty's estimate is the token's place."""
    first = torch.ones_like(inputs.trajectories, dtype=torch.bool)
    first[1:] = inputs.trajectories[1:] != inputs.trajectories[:-1]
    place = torch.arange(len(first)) - first.nonzero().squeeze(-1)[inputs.trajectories]
    return TokenLosses(-inputs.logprobs, first, ~first, kl=place.to(inputs.logprobs.dtype))


@pytest.mark.parametrize("limit", [10_000, 16, 1])
def test_shares_and_means_are_over_tokens(limit: int) -> None:
    """Five rows of 3, 7, 2, 6 and 4 tokens: 5 of 22 are first ones."""
    outcome = policy(micro_batch_tokens=limit).update(ROWS, clipped)
    assert outcome.clip_low == pytest.approx(5 / 22)
    assert outcome.clip_high == pytest.approx(17 / 22)
    assert outcome.kl == pytest.approx(sum(n * (n - 1) / 2 for n in (3, 7, 2, 6, 4)) / 22)
    assert outcome.policy_tokens == 22


def test_what_does_not_exist_is_none() -> None:
    """Nothing was passed over, or nothing finite came of it."""
    empty = Tally()
    assert (empty.loss, empty.tokens) == (0.0, 0)
    assert [empty.entropy, empty.kl, empty.clip_low, empty.clip_high, empty.sampler_gap] == [None] * 5
    assert empty.sampler_gap_mean is None
    assert [finite(math.nan), finite(-math.inf), finite(1.5)] == [None, None, 1.5]

"""What an update measures: shares and means over its tokens, whatever passes they came in."""

from __future__ import annotations

import math

import pytest
import torch

from tests.trainyard_trainer import policies
from tests.trainyard_trainer.policies import ROWS, policy
from trainyard_trainer.algorithms.losses import NUMBERS
from trainyard_trainer.numbers import Kind, value_of, values_of
from trainyard_trainer.policy.loss import Loss, LossInputs, TokenLosses, TokenNumber
from trainyard_trainer.policy.ranks import Ranks
from trainyard_trainer.policy.tally import Tally


def clipped(inputs: LossInputs) -> TokenLosses:
    """The first token of each trajectory cut below, the others above; the penalty's estimate is the token's place."""
    first = torch.ones_like(inputs.trajectories, dtype=torch.bool)
    first[1:] = inputs.trajectories[1:] != inputs.trajectories[:-1]
    place = torch.arange(len(first)) - first.nonzero().squeeze(-1)[inputs.trajectories]
    return TokenLosses(-inputs.logprobs, first, ~first, kl=place.to(inputs.logprobs.dtype))


def of_first(inputs: LossInputs) -> torch.Tensor:
    """2 for the first token of each of five trajectories; the others have no value."""
    place = torch.arange(len(inputs.logprobs))
    first = place == 0
    first[1:] = inputs.trajectories[1:] != inputs.trajectories[:-1]
    return torch.where(first, 2.0, math.nan).to(inputs.logprobs.dtype)


@pytest.mark.parametrize("limit", [10_000, 16, 1])
def test_shares_and_means_are_over_tokens(limit: int) -> None:
    """Five rows of 3, 7, 2, 6 and 4 tokens: 5 of 22 are first ones."""
    outcome = policy(micro_batch_tokens=limit).update(ROWS, Loss(clipped, NUMBERS))
    assert value_of(outcome, "clip_ratio/low_mean") == pytest.approx(5 / 22)
    assert value_of(outcome, "clip_ratio/high_mean") == pytest.approx(17 / 22)
    assert value_of(outcome, "kl") == pytest.approx(sum(n * (n - 1) / 2 for n in (3, 7, 2, 6, 4)) / 22)
    assert value_of(outcome, "trained_tokens") == 22


def test_what_does_not_exist_is_absent() -> None:
    """Nothing was passed over; but names and order are those of every other rank."""
    empty = Tally(NUMBERS)
    assert (empty.loss, values_of(empty.numbers())) == (0.0, {"trained_tokens": 0.0})
    assert empty.over(Ranks(None, torch.device("cpu"))) == empty


def test_a_token_without_a_value_counts_nowhere() -> None:
    """Its value is NaN: means and maxima are over the others."""
    found = Loss(
        lambda inputs: TokenLosses(-inputs.logprobs),
        {kind: TokenNumber(kind, lambda inputs, _: of_first(inputs)) for kind in Kind},
    )
    outcome = policy(micro_batch_tokens=16).update(ROWS, found)
    assert policies.found(outcome, "mean", "sum", "max") == (2.0, 10.0, 2.0)

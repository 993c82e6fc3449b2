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


def test_every_kind_is_put_together_over_passes() -> None:
    """Two passes of 13 and 9 tokens, the larger first: means by tokens, sums, and the largest of all."""
    size = Loss(
        lambda inputs: TokenLosses(-inputs.logprobs),
        {kind: TokenNumber(kind, lambda inputs, _: torch.full_like(inputs.logprobs, len(inputs.logprobs)))
         for kind in Kind},
    )  # fmt: skip
    outcome = policy(micro_batch_tokens=16).update(ROWS, size)
    assert policies.found(outcome, "mean", "sum", "max") == ((13 * 13 + 9 * 9) / 22, 13 * 13 + 9 * 9, 13)


def test_a_number_that_one_token_spoils_has_no_value() -> None:
    """Nothing that looks healthy is made of the rest; the sampler's difference is of the tokens that are known."""
    odd = Loss(
        lambda inputs: TokenLosses(-inputs.logprobs),
        {kind: TokenNumber(kind, lambda inputs, _: inputs.logprobs.where(inputs.trajectories > 0, math.nan))
         for kind in Kind},
    )  # fmt: skip
    outcome = policy(micro_batch_tokens=16).update(ROWS, odd)
    assert policies.found(outcome, "mean", "sum", "max") == (None, None, None)
    assert policies.found(outcome, "entropy", "loss") != (None, None)

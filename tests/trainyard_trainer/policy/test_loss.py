"""A loss is called with a micro-batch's tokens, and brings the numbers that are measured of it."""

from __future__ import annotations

import torch

from trainyard_trainer.numbers import Kind
from trainyard_trainer.policy.loss import Loss, LossInputs, TokenLosses, TokenNumber

INPUTS = LossInputs(
    logprobs=torch.tensor([-1.0, -2.0]),
    old_logprobs=torch.tensor([-1.0, -1.0]),
    reference_logprobs=None,
    advantages=torch.tensor([1.0, 1.0]),
    trajectories=torch.tensor([0, 1]),
)


def test_a_loss_is_its_function_and_its_numbers() -> None:
    """A number that has no values in this loss says so; a loss may have none at all."""
    numbers = {
        "gap": TokenNumber(Kind.MEAN, lambda inputs, _: inputs.logprobs - inputs.old_logprobs),
        "kl": TokenNumber(Kind.MEAN, lambda _, out: out.kl),
    }
    loss = Loss(lambda inputs: TokenLosses(-inputs.logprobs), numbers)
    out = loss(INPUTS)
    assert out.losses.tolist() == [1.0, 2.0]
    gap = numbers["gap"].of(INPUTS, out)
    assert gap is not None
    assert gap.tolist() == [0.0, -1.0]
    assert loss.numbers["kl"].of(INPUTS, out) is None
    assert Loss(loss.of).numbers == {}

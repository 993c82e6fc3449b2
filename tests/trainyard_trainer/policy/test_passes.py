"""A pass that doesn't fit into memory is done again in smaller ones, and leaves no trace but a count."""

from __future__ import annotations

import pytest
import torch

from tests.trainyard_trainer import policies
from tests.trainyard_trainer.policies import ROWS, policy, row, weights
from trainyard_api.termination import TerminationReason
from trainyard_trainer.algorithms.sft import SFT_LOSS
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.numbers import value_of
from trainyard_trainer.policy.logprobs.token_logprobs import token_logprobs
from trainyard_trainer.policy.loss import Loss, LossInputs, TokenLosses


def small_memory(most: int):
    """A loss for which passes of more than so many trained tokens don't fit, as an accelerator says it."""

    def loss(inputs: LossInputs) -> TokenLosses:
        if len(inputs.logprobs) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return SFT_LOSS(inputs)

    return Loss(loss)


def test_an_update_is_done_again_in_halves_and_equals_one_that_always_fitted() -> None:
    """Gradients of the first try don't count; the limit halves until it fits, stays, and goes into the state."""
    chosen, other = policy(), policy(micro_batch_tokens=8)
    outcome = chosen.update(ROWS, small_memory(8))
    undisturbed = other.update(ROWS, SFT_LOSS)
    assert (value_of(outcome, "out_of_memory"), value_of(undisturbed, "out_of_memory")) == (2, 0)
    assert chosen.micro_batch_tokens == 8
    assert policies.found(outcome, "loss", "grad_norm") == (
        value_of(undisturbed, "loss"),
        value_of(undisturbed, "grad_norm"),
    )
    assert torch.equal(weights(chosen), weights(other))
    assert chosen.state()["out_of_memory"] == 2
    assert chosen.update(ROWS, small_memory(8))["out_of_memory"].total == 0
    successor = policy()
    successor.load_state(chosen.state())
    assert successor.update(ROWS, small_memory(8))["out_of_memory"].total == 0
    assert successor.state()["out_of_memory"] == 2


def test_a_failure_in_a_late_pass_discards_the_gradients_of_early_ones() -> None:
    """The second pass fails once; the update counts each row once."""
    chosen, other = policy(micro_batch_tokens=24), policy(micro_batch_tokens=24)
    calls: list[int] = []

    def loss(inputs: LossInputs) -> TokenLosses:
        calls.append(len(inputs.logprobs))
        if len(calls) == 2:
            raise torch.OutOfMemoryError
        return SFT_LOSS(inputs)

    assert value_of(chosen.update(ROWS, Loss(loss)), "grad_norm") == pytest.approx(
        value_of(other.update(ROWS, SFT_LOSS), "grad_norm"), rel=1e-6
    )
    assert calls[:2] == [17, 5]
    assert sum(calls[2:]) == 22


def test_a_trajectory_that_does_not_fit_alone_is_refused() -> None:
    """With the field to change, and what also helps; also where it has two rows."""
    with pytest.raises(RefusedError) as refused:
        policy(memory_limit_bytes=900 * 2**20).update([row(0, 3), row(0, 7)], small_memory(2))
    assert refused.value.reason is TerminationReason.INVALID_MANIFEST
    assert str(refused.value) == (
        "spec.trainer.memory: must give memory for a pass over one trajectory, 16 tokens here; "
        "algorithm.gradientCheckpointing takes less; got '900 MiB'"
    )


def test_scores_too_are_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row has its own, whatever the passes."""
    chosen = policy()
    expected = chosen.score(ROWS)
    tried: list[int] = []

    def sometimes(hidden: torch.Tensor, *given: object, **options: object) -> object:
        tried.append(len(hidden))
        if len(hidden) > 8:
            raise torch.OutOfMemoryError
        return token_logprobs(hidden, *given, **options)

    monkeypatch.setattr("trainyard_trainer.policy.logprobs.head.token_logprobs", sometimes)
    found = chosen.score(ROWS)
    assert tried[:2] == [22, 13]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours[1:] == pytest.approx(theirs[1:], abs=1e-6)

"""The policy: gradients don't depend on how a batch is cut, bad updates change nothing, state comes back exactly."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.trainyard_trainer import small
from trainyard_trainer.policy.batches import MicroBatch, Row, micro_batches
from trainyard_trainer.policy.torch_policy import TorchPolicy

ROWS = [Row(tuple(range(1, n + 2)), (False,) + (True,) * n, (1.0,) * (n + 1), 1 / 22) for n in (3, 7, 2, 6, 4)]


def nll(logprobs: torch.Tensor, _: MicroBatch) -> torch.Tensor:
    """Negative log-likelihood."""
    return -logprobs


def weights(policy: TorchPolicy) -> torch.Tensor:
    """All weights as one vector."""
    return torch.cat([parameter.detach().flatten() for parameter in policy.model.parameters()])


def gradient(policy: TorchPolicy) -> torch.Tensor:
    """All gradients as one vector."""
    return torch.cat([parameter.grad.flatten() for parameter in policy.model.parameters()])


def test_gradient_does_not_depend_on_micro_batches() -> None:
    """All rows at once, or one at a time: equal to 1e-6, loss and norm too."""
    found = []
    for bound in (10_000, 1):
        policy = small.policy(max_tokens=bound)
        outcome = policy.update(ROWS, nll)
        found.append((gradient(policy), outcome))
    (whole, one), (cut, other) = found
    assert (whole - cut).abs().max() < 1e-6
    assert one.loss == pytest.approx(other.loss, rel=1e-6)
    assert one.grad_norm == pytest.approx(other.grad_norm, rel=1e-5)
    assert one.entropy == pytest.approx(other.entropy, rel=1e-5)


def test_loss_is_the_weighted_sum_and_entropy_the_mean_over_trained_tokens() -> None:
    """Against a direct computation with transformers' own forward."""
    policy = small.policy()
    expected, entropies = 0.0, []
    for row in ROWS:
        logprobs = torch.log_softmax(policy.model(torch.tensor([row.token_ids])).logits[0].detach(), dim=-1)
        for at in range(1, len(row.token_ids)):
            expected -= logprobs[at - 1, row.token_ids[at]].item() / 22
            entropies.append(-(logprobs[at - 1].exp() * logprobs[at - 1]).sum().item())
    outcome = policy.update(ROWS, nll)
    assert outcome.loss == pytest.approx(expected, rel=1e-5)
    assert outcome.entropy == pytest.approx(sum(entropies) / len(entropies), rel=1e-5)
    assert outcome.sampler_gap is None


def test_gradients_are_clipped_to_norm_one() -> None:
    """The norm before clipping is reported."""
    policy = small.policy()
    outcome = policy.update(ROWS, lambda logprobs, _: -100 * logprobs)
    assert outcome.grad_norm > 1
    assert gradient(policy).norm().item() == pytest.approx(1.0, abs=1e-4)


def test_sampler_gap_is_the_largest_difference() -> None:
    """Only where a sampler drew the token."""
    policy = small.policy()
    with torch.no_grad():
        known = policy.logprobs(micro_batches(ROWS[:1], 0)[0])[0][0].tolist()
    drawn = (math.nan, known[1], known[2] + 0.25, known[3] - 0.125)
    row = Row(ROWS[0].token_ids, ROWS[0].mask, ROWS[0].advantages, 1.0, drawn)
    assert policy.update([row, ROWS[1]], nll).sampler_gap == pytest.approx(0.25, abs=1e-5)


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_an_update_that_is_not_finite_changes_nothing_and_is_counted(factor: float) -> None:
    """Weights, optimizer and version stay; a good update resets the count."""
    policy = small.policy()
    policy.update(ROWS, nll)
    before, state = weights(policy), policy.state()
    outcome = policy.update(ROWS, lambda logprobs, _: factor * logprobs)
    assert (outcome.skipped, outcome.loss) == (True, None)
    assert torch.equal(weights(policy), before)
    assert (policy.version, policy.skipped_in_a_row) == (1, 1)
    step = policy.state()["optimizer"]["state"][0]["step"]
    assert torch.equal(step, state["optimizer"]["state"][0]["step"])
    policy.update(ROWS, nll)
    assert (policy.version, policy.skipped_in_a_row) == (2, 0)


def test_a_snapshot_is_a_folder_that_transformers_loads_as_it_is(tmp_path: Path) -> None:
    """AutoModelForCausalLM and AutoTokenizer, without any option; weights and logits are equal."""
    policy = small.policy()
    policy.update(ROWS, nll)
    snapshot = policy.snapshot(1, {"loss": "0.5"})
    assert (snapshot.step, snapshot.policy_version, snapshot.metrics) == (1, 1, {"loss": "0.5"})
    folder = small.write(snapshot, tmp_path / "saved")
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= set(snapshot.files)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor([tokenizer.encode("Q47*93;")])
    assert torch.equal(model(ids).logits, policy.model(ids).logits)


def test_a_snapshot_does_not_change_while_training_goes_on() -> None:
    """It is a copy, so that it may be written beside training."""
    policy = small.policy()
    policy.update(ROWS, nll)
    snapshot = policy.snapshot(1, {})
    average = snapshot.trainer_state["optimizer"]["state"][0]["exp_avg"]
    kept, files = average.clone(), dict(snapshot.files)
    policy.update(ROWS, nll)
    assert torch.equal(average, kept)
    assert snapshot.files == files
    assert policy.snapshot(2, {}).files["model.safetensors"] != files["model.safetensors"]

"""The policy: gradients don't depend on how a batch is cut, bad updates change nothing, state comes back exactly."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.trainyard_trainer import policies, small
from tests.trainyard_trainer.clock import Clock
from tests.trainyard_trainer.policies import ROWS, gradient, policy, row, times, weights, write
from tests.trainyard_trainer.saved_models import contents
from tests.trainyard_trainer.stopping import Stop
from trainyard_trainer.algorithms.sft import SFT_LOSS
from trainyard_trainer.errors import DroppedError
from trainyard_trainer.numbers import value_of
from trainyard_trainer.policy.loss import Loss, LossInputs, TokenLosses


def test_gradient_does_not_depend_on_micro_batches() -> None:
    """All rows at once, or one at a time: equal to 1e-6, loss and norm too."""
    found = []
    for bound in (10_000, 1):
        chosen = policy(micro_batch_tokens=bound)
        chosen.accumulate(ROWS, SFT_LOSS)
        found.append((gradient(chosen), chosen.update(ROWS, SFT_LOSS)))
    (whole, one), (cut, other) = found
    assert (whole - cut).abs().max() < 1e-6
    assert value_of(one, "loss") == pytest.approx(value_of(other, "loss"), rel=1e-6)
    assert value_of(one, "grad_norm") == pytest.approx(value_of(other, "grad_norm"), rel=1e-5)
    assert value_of(one, "entropy") == pytest.approx(value_of(other, "entropy"), rel=1e-5)


def test_loss_is_the_weighted_sum_and_entropy_the_mean_over_trained_tokens() -> None:
    """Against a direct computation with transformers' own forward."""
    chosen = policy()
    expected, entropies = 0.0, []
    for one in ROWS:
        logprobs = torch.log_softmax(chosen.model(torch.tensor([one.token_ids])).logits[0].detach(), dim=-1)
        for at in range(1, len(one.token_ids)):
            expected -= logprobs[at - 1, one.token_ids[at]].item() / 22
            entropies.append(-(logprobs[at - 1].exp() * logprobs[at - 1]).sum().item())
    outcome = chosen.update(ROWS, SFT_LOSS)
    assert value_of(outcome, "loss") == pytest.approx(expected, rel=1e-5)
    assert value_of(outcome, "entropy") == pytest.approx(sum(entropies) / len(entropies), rel=1e-5)
    assert (
        value_of(outcome, "sampling_logp_difference/max"),
        value_of(outcome, "kl"),
        value_of(outcome, "trained_tokens"),
    ) == (None, None, 22)


def test_scores_are_those_of_the_model_at_the_temperature_of_sampling() -> None:
    """Each token's from the position before it; NaN where nothing is trained; in the rows' order."""
    chosen = policy(temperature=0.7, micro_batch_tokens=12)
    for one, scores in zip(ROWS, chosen.score(ROWS), strict=True):
        logits = chosen.model(torch.tensor([one.token_ids])).logits[0].detach()
        expected = torch.log_softmax(logits / 0.7, dim=-1)[range(len(scores) - 1), one.token_ids[1:]]
        assert math.isnan(scores[0])
        assert scores[1:] == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_loss_gets_old_and_reference_log_probabilities_where_rows_have_them() -> None:
    """Without old ones the ratio is to the policy of now; tokens of other trajectories are told apart."""
    chosen = policy()
    seen: list[LossInputs] = []

    def loss(inputs: LossInputs) -> TokenLosses:
        seen.append(inputs)
        return SFT_LOSS(inputs)

    known = (math.nan, -1.0, -2.0)
    chosen.accumulate(
        [row(8, 2, old_logprobs=known, reference_logprobs=known), row(5, 2, reference_logprobs=known)],
        Loss(loss),
    )
    (inputs,) = seen
    now = inputs.logprobs.detach()
    assert inputs.old_logprobs.tolist() == [-1.0, -2.0, *now[2:].tolist()]
    assert inputs.reference_logprobs.tolist() == [-1.0, -2.0] * 2
    assert inputs.trajectories.tolist() == [0, 0, 1, 1]
    chosen.accumulate(ROWS[:1], Loss(loss))
    assert seen[1].reference_logprobs is None


def test_gradients_are_clipped_to_norm_one() -> None:
    """The norm before clipping is reported; AdamW's first average is a tenth of the clipped gradient."""
    chosen = policy()
    assert value_of(chosen.update(ROWS, times(100.0)), "grad_norm") > 1
    moments = [state["exp_avg"].flatten() for state in chosen.state()["optimizer"]["state"].values()]
    assert torch.cat(moments).norm().item() == pytest.approx(0.1, abs=1e-5)


def test_sampler_gap_is_the_largest_difference_and_has_a_mean() -> None:
    """Only where a sampler drew the token, with the very weights of now."""
    chosen = policy()
    known = chosen.score(ROWS[:1])[0]
    drawn = (math.nan, known[1], known[2] + 0.25, known[3] - 0.125)
    rows = [replace(ROWS[0], sampler_logprobs=drawn), ROWS[1]]
    outcome = chosen.update(rows, SFT_LOSS)
    assert (
        value_of(outcome, "sampling_logp_difference/max"),
        value_of(outcome, "sampling_logp_difference/mean"),
    ) == pytest.approx((0.25, 0.125), abs=1e-5)
    late = row(9, 3, sampler_logprobs=drawn, on_policy=False)
    outcome = policy().update([late], SFT_LOSS)
    assert policies.found(outcome, "sampling_logp_difference/max", "sampling_logp_difference/mean") == (
        None,
        None,
    )


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_an_update_that_is_not_finite_changes_nothing_and_is_counted(factor: float) -> None:
    """Weights, optimizer and version stay, gradients go; a successor goes on counting; a good update resets it."""
    chosen = policy()
    chosen.update(ROWS, SFT_LOSS)
    before, state = weights(chosen), chosen.state()
    outcome = chosen.update(ROWS, times(factor))
    assert policies.found(outcome, "skipped_updates", "loss") == (True, None)
    assert torch.equal(weights(chosen), before)
    assert all(parameter.grad is None for parameter in chosen.trained)
    assert (chosen.version, chosen.skipped_in_a_row) == (1, 1)
    step = chosen.state()["optimizer"]["state"][0]["step"]
    assert torch.equal(step, state["optimizer"]["state"][0]["step"])
    successor = policy()
    successor.load_state(chosen.state())
    assert successor.skipped_in_a_row == 1
    chosen.update(ROWS, SFT_LOSS)
    assert (chosen.version, chosen.skipped_in_a_row) == (2, 0)


def test_an_update_that_a_stop_drops_leaves_all_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, optimizer, version, gradients, the cut into passes and what was found of memory; made again, it is the
    same to the bit.
    """
    calls: list[int] = []
    clock = Clock()
    monkeypatch.setattr("trainyard_trainer.policy.dropping.time", clock)

    def small_memory(inputs: LossInputs) -> TokenLosses:
        calls.append(len(inputs.logprobs))
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        clock.now += 1.0  # a pass; what is left takes longer than what was done
        return SFT_LOSS(inputs)

    stop = Stop(lambda: len(calls) > 1)
    chosen, undisturbed = policy(micro_batch_tokens=24, stop=stop), policy(micro_batch_tokens=24)
    for one in (chosen, undisturbed):
        one.update(ROWS, SFT_LOSS)
    before, tensors = chosen.state(), [weights(chosen), torch.get_rng_state()]
    with pytest.raises(DroppedError) as dropped:
        chosen.update(ROWS, Loss(small_memory))
    assert dropped.value.seconds == 1.0
    after = chosen.state()
    pairs = zip(
        small.tensors(before) + tensors, [*small.tensors(after), weights(chosen), torch.get_rng_state()], strict=True
    )
    assert all(torch.equal(one, other) for one, other in pairs)
    assert {**before, "optimizer": None} == {**after, "optimizer": None}
    assert all(parameter.grad is None for parameter in chosen.trained)
    calls.clear()
    again, expected = chosen.update(ROWS, SFT_LOSS), undisturbed.update(ROWS, SFT_LOSS)
    assert again == expected
    assert torch.equal(weights(chosen), weights(undisturbed))


def test_scores_that_do_not_fit_into_the_grace_are_dropped() -> None:
    """Of the policy or of its reference, whose weights are gone again then."""
    stop = Stop(lambda: True)
    stop.grace_seconds = 10.0
    chosen = policy(keep_reference=True, stop=stop)
    calm = policy(keep_reference=True)
    assert str(chosen.score(ROWS)) == str(calm.score(ROWS)), "while there is time, they are finished"
    stop.seconds_left = lambda: 5.0
    before = weights(chosen)
    for score in (chosen.score, chosen.reference_score):
        with pytest.raises(DroppedError) as dropped:
            score(ROWS)
        assert dropped.value.seconds is None, "what they are of is lost too"
    assert torch.equal(weights(chosen), before)


def test_an_infinite_gradient_of_a_finite_loss_is_skipped_too() -> None:
    """The square root's slope at 0."""
    chosen = policy()

    def loss(inputs: LossInputs) -> TokenLosses:
        zero = inputs.logprobs - inputs.logprobs.detach()
        return replace(SFT_LOSS(inputs), losses=zero.abs().sqrt())

    outcome = chosen.update(ROWS, Loss(loss))
    assert policies.found(outcome, "skipped_updates", "loss", "grad_norm") == (
        True,
        0.0,
        None,
    )


def test_a_continuation_is_bit_for_bit(tmp_path: Path) -> None:
    """Weights and state into a new policy: the next update gives the same bytes, with the same cut into passes and the
    same number of conversations at a time.
    """
    chosen = policy(micro_batch_tokens=17, keep_reference=True)
    chosen.slots = 32
    chosen.update(ROWS, SFT_LOSS)
    snapshot = chosen.snapshot(1, {}, updates=2, more={"k": 2})
    assert (snapshot.updates, snapshot.trainer_state["k"]) == (2, 2)
    successor = policy(keep_reference=True)
    successor.load_weights(write(snapshot, tmp_path / "saved"))
    torch.save(snapshot.trainer_state, tmp_path / "state.pt")
    successor.load_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert (successor.micro_batch_tokens, successor.slots) == (17, 32)
    assert chosen.update(ROWS, SFT_LOSS) == successor.update(ROWS, SFT_LOSS)
    assert torch.equal(weights(chosen), weights(successor))
    assert str(chosen.reference_score(ROWS)) == str(successor.reference_score(ROWS))


def test_a_snapshot_is_a_folder_that_transformers_loads_as_it_is(tmp_path: Path) -> None:
    """AutoModelForCausalLM and AutoTokenizer, without any option; weights and logits are equal."""
    chosen = policy()
    chosen.update(ROWS, SFT_LOSS)
    snapshot = chosen.snapshot(1, {"loss": "0.5"})
    assert (snapshot.step, snapshot.policy_version, snapshot.metrics) == (1, 1, {"loss": "0.5"})
    folder = write(snapshot, tmp_path / "saved")
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= set(snapshot.files)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor([tokenizer.encode("Q47*93;")])
    assert torch.equal(model(ids).logits, chosen.model(ids).logits)


def test_a_snapshot_does_not_change_while_training_goes_on() -> None:
    """It is a copy, so that it may be written beside training."""
    chosen = policy()
    chosen.update(ROWS, SFT_LOSS)
    snapshot = chosen.snapshot(1, {})
    average = snapshot.trainer_state["optimizer"]["state"][0]["exp_avg"]
    kept, files = average.clone(), contents(snapshot.files)
    chosen.update(ROWS, SFT_LOSS)
    assert torch.equal(average, kept)
    assert contents(snapshot.files) == files
    assert contents(chosen.snapshot(2, {}).files)["model.safetensors"] != files["model.safetensors"]

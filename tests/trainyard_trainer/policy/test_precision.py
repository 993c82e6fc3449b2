"""In bfloat16 a copy computes and float32 weights learn: nothing small is lost, and what is saved is float32."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from transformers import Qwen3Config, Qwen3ForCausalLM

from tests.trainyard_trainer.heads import SIZES, random_model
from tests.trainyard_trainer.policies import ROWS, gradient, policy, weights, write
from tests.trainyard_trainer.saved_models import contents
from trainyard_api.algorithm import Precision
from trainyard_trainer.algorithms.sft import SFT_LOSS
from trainyard_trainer.models.load import LoadedModel

BF16 = Precision.BFLOAT16


def test_the_model_computes_in_bfloat16_and_the_weights_that_learn_are_float32() -> None:
    """Rotary frequencies stay float32, and the head is the float32 one itself, so that logits aren't rounded."""
    chosen, exact = policy(precision=BF16), policy()
    dtypes = {name: parameter.dtype for name, parameter in chosen.model.named_parameters()}
    assert dtypes.pop("lm_head.weight") == torch.float32
    assert set(dtypes.values()) == {torch.bfloat16}
    assert {buffer.dtype for buffer in chosen.model.buffers()} == {torch.float32}
    assert {parameter.dtype for parameter in chosen.trained} == {torch.float32}
    ours, theirs = ([score for scores in one.score(ROWS) for score in scores[1:]] for one in (chosen, exact))
    differences = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    assert 0 < sum(differences) / len(differences) <= 0.02


def test_what_samples_sees_the_log_probabilities_that_are_trained() -> None:
    """The model's own logits, as a sampler has them, against the policy's score."""
    chosen = policy(precision=BF16)
    for one, scores in zip(ROWS, chosen.score(ROWS), strict=True):
        logits = chosen.model(torch.tensor([one.token_ids])).logits[0]
        sampled = torch.log_softmax(logits, dim=-1)[range(len(scores) - 1), one.token_ids[1:]]
        assert logits.dtype == torch.float32
        assert scores[1:] == pytest.approx(sampled.tolist(), abs=0.01)


@pytest.mark.parametrize("precision", list(Precision))
def test_a_low_temperature_is_no_disagreement_with_the_sampler(precision: Precision) -> None:
    """It makes differences of logits as much larger as it is lower; a high one is no reason to look less closely."""
    usual = policy(precision=precision).sampler_tolerance
    low = policy(precision=precision, temperature=0.1).sampler_tolerance
    assert (low.largest, low.mean) == pytest.approx((10 * usual.largest, 10 * usual.mean))
    assert policy(precision=precision, temperature=2.0).sampler_tolerance == usual


def test_gradients_are_those_of_float32_but_for_rounding_however_they_are_cut() -> None:
    """Sums over passes are float32: many passes are as good as one."""
    exact = policy()
    exact.accumulate(ROWS, SFT_LOSS)
    for limit in (10_000, 1):
        chosen = policy(precision=BF16, micro_batch_tokens=limit)
        chosen.accumulate(ROWS, SFT_LOSS)
        difference = (gradient(chosen) - gradient(exact)).norm() / gradient(exact).norm()
        assert 0 < difference < 0.02


def test_steps_that_bfloat16_would_swallow_add_up() -> None:
    """At a learning rate of 1e-6 every update moves the float32 weights; the computing ones are these, rounded."""
    chosen = policy(1e-6, precision=BF16)
    for _ in range(3):
        before = weights(chosen)
        chosen.update(ROWS, SFT_LOSS)
        assert (weights(chosen) != before).float().mean() > 0.9
    computing = torch.cat([parameter.detach().flatten().bfloat16() for parameter in chosen.model.parameters()])
    assert torch.equal(computing, weights(chosen).bfloat16())
    assert all(parameter.grad is None for parameter in chosen.model.parameters())


def test_a_continuation_is_bit_for_bit(tmp_path: Path) -> None:
    """What is saved are the float32 weights and float32 moments; the reference is in what computes."""
    chosen = policy(precision=BF16, keep_reference=True)
    first = str(chosen.reference_score(ROWS))
    chosen.update(ROWS, SFT_LOSS)
    snapshot = chosen.snapshot(1, {})
    assert {tensor.dtype for tensor in load(contents(snapshot.files)["model.safetensors"]).values()} == {torch.float32}
    moments = snapshot.trainer_state["optimizer"]["state"][0]
    assert moments["exp_avg"].dtype == moments["exp_avg_sq"].dtype == torch.float32
    successor = policy(precision=BF16, keep_reference=True)
    successor.load_weights(write(snapshot, tmp_path))
    successor.load_state(snapshot.trainer_state)
    assert str(chosen.score(ROWS)) == str(successor.score(ROWS))
    assert chosen.update(ROWS, SFT_LOSS) == successor.update(ROWS, SFT_LOSS)
    assert torch.equal(weights(chosen), weights(successor))
    assert str(chosen.reference_score(ROWS)) == str(successor.reference_score(ROWS)) == first


def test_weights_that_are_tied_learn_as_one() -> None:
    """One matrix takes the gradients of embedding and head; its reference is that of both."""
    found = []
    for precision in Precision:
        model = random_model(Qwen3Config(**SIZES, tie_word_embeddings=True), Qwen3ForCausalLM)
        chosen = policy(model=LoadedModel(model, None, 0), precision=precision, keep_reference=True)
        assert len(chosen.trained) == len(list(model.parameters()))
        chosen.accumulate(ROWS, SFT_LOSS)
        found.append(gradient(chosen))
        first = str(chosen.score(ROWS))
        chosen.update(ROWS, SFT_LOSS)
        head, embedding = chosen.model.lm_head.weight, chosen.model.get_input_embeddings().weight
        assert torch.equal(head.to(embedding.dtype), embedding)
        assert str(chosen.reference_score(ROWS)) == first != str(chosen.score(ROWS))
    assert (found[0] - found[1]).norm() / found[0].norm() < 0.15

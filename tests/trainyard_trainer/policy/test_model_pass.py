"""Both ways to a token's log-probability agree: with each other, and with a plain computation."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from tests.trainyard_trainer.families import FAMILIES, model_of
from tests.trainyard_trainer.heads import SIZES, Squared, random_model
from tests.trainyard_trainer.policies import ROWS, gradient, policy, row
from trainyard_api.algorithm import Precision
from trainyard_trainer.algorithms.sft import SFT_LOSS
from trainyard_trainer.models.load import LoadedModel
from trainyard_trainer.policy.batches import Row, micro_batch
from trainyard_trainer.policy.logprobs.head import find_head
from trainyard_trainer.policy.model_pass import by_full_logits, by_hidden_states

CUT = Row(
    token_ids=(5, 6, 7, 8),
    mask=(False, True, False, True),
    advantages=(0.0,) * 4,
    weights=(0.0, 0.5, 0.0, 0.5),
    trajectory=1,
    support=(None, (2, 6, 11), None, None),
)
UNTRAINED = Row((1, 2), (False, False), (0.0,) * 2, (0.0,) * 2, trajectory=2)


def test_hidden_states_and_full_logits_give_the_same_with_the_same_gradient() -> None:
    """Ragged rows, one without a trained token, one token drawn from three, a temperature."""
    model = random_model(Qwen3Config(**SIZES), Qwen3ForCausalLM)
    batch = micro_batch([row(0, 5), UNTRAINED, CUT], pad_id=0)
    found = []
    for scores in (
        by_hidden_states(model.base_model, find_head(model), batch, 0.7),
        by_full_logits(model, batch, 0.7),
    ):
        model.zero_grad()
        scores[0].sum().backward()
        found.append((*scores, torch.cat([parameter.grad.flatten() for parameter in model.parameters()])))
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    logits = model(torch.tensor([CUT.token_ids])).logits[0].detach() / 0.7
    kept = torch.log_softmax(logits[0, [2, 6, 11]], dim=-1)
    whole = torch.log_softmax(logits[2], dim=-1)
    assert found[0][0][-2:].tolist() == pytest.approx([kept[1].item(), whole[8].item()], abs=1e-5)
    assert found[0][1][-2].item() == pytest.approx(-(kept.exp() * kept).sum().item(), abs=1e-5)


def test_a_policy_trains_a_class_with_logits_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """From its own logits, with a warning; the gradient is that of a plain computation."""
    model = random_model(Qwen3Config(**SIZES), Squared)
    chosen = policy(model=LoadedModel(model, None, 0))
    assert "Squared makes its logits in a way of its own" in caplog.text
    one = row(0, 5)
    chosen.accumulate([one], SFT_LOSS)
    found = gradient(chosen)
    model.zero_grad()
    logprobs = torch.log_softmax(model(torch.tensor([one.token_ids])).logits[0], dim=-1)
    (-logprobs[range(5), one.token_ids[1:]].sum() / 22).backward()
    assert torch.allclose(found, gradient(chosen), rtol=1e-4, atol=1e-6)
    assert math.isnan(chosen.score([UNTRAINED])[0][1])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_computes_alike_whatever_shares_its_pass(family: str) -> None:
    """From hidden states; ragged rows as if alone; checkpointed and cut as if whole; bfloat16 but for its rounding."""
    chosen = policy(model=LoadedModel(model_of(family), None, 0))
    assert find_head(chosen.model) is not None
    together, alone = chosen.score(ROWS), [chosen.score([one])[0] for one in ROWS]
    assert differences(together, alone) == pytest.approx([0.0] * 22, abs=1e-5)
    chosen.accumulate(ROWS, SFT_LOSS)
    frugal = policy(model=LoadedModel(model_of(family), None, 0), gradient_checkpointing=True, micro_batch_tokens=1)
    frugal.accumulate(ROWS, SFT_LOSS)
    assert (gradient(frugal) - gradient(chosen)).norm() / gradient(chosen).norm() < 1e-5
    half = policy(model=LoadedModel(model_of(family), None, 0), precision=Precision.BFLOAT16)
    assert 0 < sum(differences(half.score(ROWS), together)) / 22 < 0.04
    half.accumulate(ROWS, SFT_LOSS)
    assert (gradient(half) - gradient(chosen)).norm() / gradient(chosen).norm() < 0.15


def differences(ours: list[tuple[float, ...]], theirs: list[tuple[float, ...]]) -> list[float]:
    """By trained token."""
    return [
        abs(a - b) for one, other in zip(ours, theirs, strict=True) for a, b in zip(one[1:], other[1:], strict=True)
    ]

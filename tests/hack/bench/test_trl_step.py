"""TRL's other ways compute what its own does."""

from __future__ import annotations

import pytest
import torch
from transformers import Qwen3ForCausalLM

from hack.bench.models import make_model
from hack.bench.trl_step import COMPLETIONS, PLAIN, SHIPPED, computing, plain_logprobs
from hack.bench.trl_trainer import make_trainer
from tests.hack.bench.small import STEP


@pytest.mark.parametrize("way", [COMPLETIONS, PLAIN])
def test_what_trl_computes_without_its_fallback_is_the_same(way: str) -> None:
    """Log-probabilities, entropies and gradients; only the time is another."""

    def scored(model: Qwen3ForCausalLM, chosen: str) -> list[torch.Tensor]:
        ids = torch.tensor(STEP.prompts)[:, :12]
        mask = torch.ones_like(ids)
        mask[0, -2:] = 0
        with make_trainer(model, STEP) as trainer, computing(chosen):
            score = trainer.trl._get_per_token_logps_and_entropies
            logprobs, entropies, _ = score(trainer.model, ids, mask, 5, compute_entropy=True)
            (logprobs * torch.arange(5)).sum().backward()
            return [logprobs.detach(), entropies, *(weight.grad for weight in trainer.model.parameters())]

    model = make_model("tiny")
    for found, expected in zip(scored(model, way), scored(model, SHIPPED), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_plain_logprobs_have_the_temperature() -> None:
    """As the tiles do: logits are divided by it."""
    hidden, weight, targets = torch.randn(3, 4), torch.randn(7, 4), torch.tensor([0, 6, 2])
    found, entropies, *_ = plain_logprobs(hidden, weight, None, targets, 2.0)
    expected = torch.distributions.Categorical(logits=hidden @ weight.t() / 2.0)
    assert found is not None
    assert entropies is not None
    torch.testing.assert_close(found, expected.log_prob(targets))
    torch.testing.assert_close(entropies, expected.entropy())

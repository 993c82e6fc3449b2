"""Over a part of the vocabulary, probabilities are those of a head that has only that part."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from trainyard_trainer.policy.logprobs import support
from trainyard_trainer.policy.logprobs.logit_rule import LogitRule
from trainyard_trainer.policy.logprobs.support import SupportLogprobs

KEPT = [[1, 4, 7], [2], [0, 3, 5, 6, 8]]
TARGETS = [4, 2, 8]
RULE = LogitRule(temperature=0.7, softcap=2.5, scale=1.3)


def head(bias: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Three positions of four numbers, nine ids."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    return drawn(3, 4), drawn(9, 4), drawn(9) if bias else None


def by_support(hidden: Any, weight: Any, bias: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The product's way."""
    lengths = [len(ids) for ids in KEPT]
    starts = [sum(lengths[:row]) for row in range(3)]
    places = [start + ids.index(target) for start, ids, target in zip(starts, KEPT, TARGETS, strict=True)]
    ids = torch.tensor([each for ids in KEPT for each in ids])
    return SupportLogprobs.apply(hidden, weight, bias, torch.tensor(places), ids, torch.tensor(lengths), RULE)


def slowly(hidden: Any, weight: Any, bias: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Position by position, with torch's own softmax."""
    logprobs, entropies = [], []
    for row, (ids, target) in enumerate(zip(KEPT, TARGETS, strict=True)):
        raw = weight[ids] @ hidden[row] * RULE.scale + (0.0 if bias is None else bias[ids])
        logits = RULE.softcap * torch.tanh(raw / RULE.softcap) / RULE.temperature
        found = torch.log_softmax(logits, dim=-1)
        logprobs.append(found[ids.index(target)])
        entropies.append(-(found.exp() * found).sum())
    return torch.stack(logprobs), torch.stack(entropies)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("chunk", [1, 8, 1 << 22])
def test_values_and_gradients_are_those_of_the_slow_way(
    bias: bool, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is gathered at a time; ids that no position keeps have no gradient."""
    monkeypatch.setattr(support, "CHUNK_ELEMENTS", chunk)
    leaves = [leaf for leaf in head(bias) if leaf is not None]
    hidden, weight, *rest = leaves
    grads = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    found, expected = by_support(hidden, weight, *(rest or [None])), slowly(hidden, weight, *(rest or [None]))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    for one, other in zip(
        torch.autograd.grad(found[0], leaves, grads), torch.autograd.grad(expected[0], leaves, grads), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_a_single_kept_id_is_certain() -> None:
    """Its log-probability is nothing, and so is its gradient."""
    hidden, weight, _ = head(bias=False)
    logprobs, entropies = by_support(hidden, weight, None)
    assert (logprobs[1].item(), entropies[1].item()) == (0.0, 0.0)
    logprobs[1].backward()
    assert not hidden.grad.any()

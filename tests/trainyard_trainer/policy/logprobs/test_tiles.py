"""The matrix of [tokens, vocabulary] never exists, and what there is doesn't grow with the tokens."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trainyard_trainer.policy.logprobs import support as token_logprobs_support
from trainyard_trainer.policy.logprobs import tiles as token_logprobs_tiles
from trainyard_trainer.policy.logprobs.token_logprobs import Support, token_logprobs

MIB = 2**20


class Live(TorchDispatchMode):
    """Counts the bytes of every storage that any operation makes, from then until it is freed: exact, and the same on
    every machine. `hack.bench.logprob` measures the process's resident memory instead.
    """

    def __init__(self, *known: torch.Tensor) -> None:
        super().__init__()
        self.known = {id(tensor.untyped_storage()) for tensor in known}
        self.now = self.most = self.largest = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and id(tensor.untyped_storage()) not in self.known:
                self._made(tensor.untyped_storage())
        return result

    def _made(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        self.known.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        self.largest = max(self.largest, size)
        weakref.finalize(storage, self._freed, key, size)

    def _freed(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


def live(
    tokens: int, vocabulary: int, *, frozen: bool = False, kept: int = 0, want_entropy: bool = False
) -> tuple[Live, int]:
    """What a forward and backward at H = 16 held, and the bytes of the gradients that it must give."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(tokens, 16, generator=generator, requires_grad=True)
    weight = torch.randn(vocabulary, 16, generator=generator, requires_grad=not frozen)
    targets = torch.randint(vocabulary, (tokens,), generator=generator)
    support = None
    if kept:
        ids = (targets.unsqueeze(1) + torch.arange(kept)) % vocabulary
        support = Support(torch.arange(tokens), ids.flatten(), torch.full((tokens,), kept))
    seen = Live(hidden, weight, targets)
    with seen:
        logprobs, _ = token_logprobs(hidden, weight, targets, support=support, want_entropy=want_entropy)
        torch.autograd.backward(logprobs, torch.ones(tokens))
    del logprobs
    gradients = [leaf.grad for leaf in (hidden, weight) if leaf.grad is not None]
    assert len(gradients) == 2 - frozen
    return seen, sum(gradient.nbytes for gradient in gradients)


def test_the_count_sees_the_naive_way() -> None:
    """The instrument can fail: as one writes it, at least three matrices of [tokens, vocabulary] live at once."""
    hidden, weight = torch.randn(64, 16, requires_grad=True), torch.randn(1_000, 16, requires_grad=True)
    with Live(hidden, weight) as seen:
        logprobs = (hidden @ weight.T).log_softmax(-1)[:, 0]
        torch.autograd.backward(logprobs, torch.ones(64))
    assert seen.largest == 64 * 1_000 * 4
    assert seen.most >= 3 * 64 * 1_000 * 4


@pytest.mark.parametrize("want_entropy", [False, True])
def test_the_logits_never_exist(want_entropy: bool) -> None:
    """At 151,936 ids 1,024 tokens' logits would be 593 MiB; beside the gradients there are never more than 48 MiB, and
    no tensor is larger than a tile or a gradient.
    """
    seen, gradients = live(1_024, 151_936, want_entropy=want_entropy)
    tile = token_logprobs_tiles.TOKEN_TILE * token_logprobs_tiles.VOCABULARY_TILE * 4
    assert seen.most - gradients <= 48 * MIB
    assert seen.largest <= max(tile, gradients)


def test_memory_is_flat_in_the_tokens() -> None:
    """Eight times the tokens take at most 10 % more beside the gradients: a few numbers each, never a row."""
    (few, gradients_of_few), (many, gradients_of_many) = live(2_048, 5_000), live(16_384, 5_000)
    assert many.most - gradients_of_many <= 1.1 * (few.most - gradients_of_few)


def test_a_frozen_head_costs_no_gradient_of_its_size() -> None:
    """Under LoRA the [vocabulary, hidden] buffer is never made."""
    seen, _ = live(8, 200_000, frozen=True)
    assert seen.most < 200_000 * 16 * 4 / 2


def test_a_cut_distribution_costs_its_kept_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gathered in chunks, so that beside the gradients 50 kept ids at each of 2,048 tokens take less than their rows of
    the weight would at once, and a hundredth of the logits.
    """
    monkeypatch.setattr(token_logprobs_support, "CHUNK_ELEMENTS", 65_536)
    seen, gradients = live(2_048, 151_936, kept=50)
    assert seen.most - gradients < 2_048 * 50 * 16 * 4 + MIB
    assert seen.most - gradients < 2_048 * 151_936 * 4 / 100

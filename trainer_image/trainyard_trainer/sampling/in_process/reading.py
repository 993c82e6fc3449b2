"""The model as decoders use it: token ids in, next-token logits and grown caches out.

Place in the data's way: station 5, below the slots. All a model must offer is transformers' own: a forward that takes
`past_key_values`. Prompts are read once, however many conversations begin with them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers import DynamicCache

from trainyard_trainer.errors import TrainerError
from trainyard_trainer.memory import Room
from trainyard_trainer.sampling.in_process.cache import KNOWN, CacheRows

PASS_TOKENS = 16_384
"""Most tokens, padding included, of one pass that only reads; one longer text has a pass of its own."""


class UnknownCacheError(TrainerError):
    """The model's cache isn't one that slots can be made of."""


class SampledPolicy(Protocol):
    """Says what sampling needs of a policy; see `policy.torch_policy.TorchPolicy`."""

    model: Any
    device: torch.device
    pad_id: int
    slots: int | None

    @property
    def version(self) -> int:
        """Counts the optimizer updates done so far."""

    def room(self) -> Room | None:
        """Returns the bytes that sampling may use; None where no limit is known."""


@dataclass(frozen=True, slots=True)
class ReadTokens:
    """Holds what reading leaves: caches of S rows, and the logits after each row's last token [S, V]."""

    rows: CacheRows
    logits: torch.Tensor


class CachedModel:
    """Reads tokens behind what it has already read.

    Args:
        policy: whose model it is.

    Raises:
        UnknownCacheError: its cache isn't transformers' own, or has layers whose content isn't known here.
    """

    def __init__(self, policy: SampledPolicy) -> None:
        self.policy = policy
        self._pad_id = policy.pad_id
        model = policy.model
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        parameters = inspect.signature(base.forward).parameters
        if "past_key_values" not in parameters:
            raise UnknownCacheError(f"{type(base).__name__} takes no past_key_values")
        self._config = base.config
        self._positions = "position_ids" in parameters
        # Only the last column's logits are needed; most models can leave the others out.
        self._options: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}
        layers = CacheRows.of(self._blank(), (), 0)
        if not layers.movable:
            kinds = sorted({type(layer.like).__name__ for layer in layers.layers} - {kind.__name__ for kind in KNOWN})
            raise UnknownCacheError(f"{type(base).__name__} keeps layers of kind {', '.join(kinds)}")
        self.forgetful = layers.stateful or any(layer.window is not None for layer in layers.layers)
        self.stateful = layers.stateful

    @property
    def device(self) -> torch.device:
        """Returns the device of token ids and masks."""
        return self.policy.device

    def forward(
        self, token_ids: torch.Tensor, mask: torch.Tensor | None, positions: torch.Tensor, cache: DynamicCache
    ) -> torch.Tensor:
        """Reads the columns `token_ids` [S, columns] into the cache and returns the logits after the last one [S, V].

        `mask` [S, all columns] is 1 where a column is used; None where all are. `positions` are those of the tokens.
        """
        more = {**self._options, "position_ids": positions} if self._positions else self._options
        output = self.policy.model(
            input_ids=token_ids, attention_mask=mask, past_key_values=cache, use_cache=True, **more
        )
        return output.logits[:, -1]

    def read_prompts(self, prompts: Sequence[tuple[int, ...]]) -> Iterator[tuple[list[int], ReadTokens]]:
        """Reads prompts from their start; yields the indices of those read together, and what that left."""
        for chosen in self._passes(prompts):
            lengths = [len(prompts[index]) for index in chosen]
            total = max(lengths)
            ids = [[self._pad_id] * (total - len(prompts[index])) + list(prompts[index]) for index in chosen]
            cache = self._blank()
            mask = ragged_mask(lengths, total, 0, self.device)
            positions = torch.arange(total, device=self.device) - torch.tensor(
                [[total - length] for length in lengths], device=self.device
            )
            logits = self.forward(torch.tensor(ids, device=self.device), mask, positions.clamp(min=0), cache)
            yield chosen, ReadTokens(CacheRows.of(cache, lengths, total), logits)

    def read_on(self, rows: CacheRows, fresh: Sequence[Sequence[int]]) -> ReadTokens:
        """Reads equally many tokens behind each row."""
        count = len(fresh[0])
        cache = rows.cache()
        mask = ragged_mask(rows.lengths, rows.total, count, self.device)
        starts = torch.tensor(rows.lengths, device=self.device)[:, None]
        positions = starts + torch.arange(count, device=self.device)
        logits = self.forward(torch.tensor(fresh, device=self.device), mask, positions, cache)
        lengths = [length + count for length in rows.lengths]
        return ReadTokens(CacheRows.of(cache, lengths, rows.total + count), logits)

    def _passes(self, prompts: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
        """Yields the indices of prompts that are read together; of equal length where padding could leak into
        states.
        """
        order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), index))
        chosen: list[int] = []
        for index in order:
            length = len(prompts[index])
            unequal = self.stateful and chosen and len(prompts[chosen[0]]) != length
            if chosen and (unequal or length * (len(chosen) + 1) > PASS_TOKENS):
                yield chosen
                chosen = []
            chosen.append(index)
        if chosen:
            yield chosen

    def _blank(self) -> DynamicCache:
        return DynamicCache(config=self._config)


def ragged_mask(lengths: Sequence[int], total: int, more: int, device: torch.device) -> torch.Tensor | None:
    """Marks with 1 the last `lengths[row]` of `total` columns and `more` that follow; None where that is everywhere."""
    if min(lengths) == total:
        return None
    first = torch.tensor([[total - length] for length in lengths], device=device)
    return (torch.arange(total + more, device=device) >= first).long()

"""Attention keys and values of many conversations, kept from one turn to the next.

Place in the data's way: station 5, below the sampler. A block holds the rows of one decoded batch; conversations point
at their row in it, and a later batch is put together from such rows. Columns that a row doesn't use are masked. Nothing
here knows of tokens or turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache


@dataclass(frozen=True, slots=True)
class Block:
    """Keys and values of S rows: per layer two tensors [S, heads, C, head_dim]; `mask` [S, C] is 1 where used."""

    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    mask: torch.Tensor

    @staticmethod
    def of(cache: DynamicCache, mask: torch.Tensor) -> Block:
        """The rows of a transformers cache; `mask` may be longer than what the cache has read."""
        layers = tuple((layer.keys, layer.values) for layer in cache.layers)
        return Block(layers, mask[:, : layers[0][0].shape[-2]])

    def cache(self) -> DynamicCache:
        """As transformers' models take it; it grows by copies, so the block itself stays as it is."""
        cache = DynamicCache()
        for number, (keys, values) in enumerate(self.layers):
            cache.update(keys, values, number)
        return cache

    def rows(self, indices: Sequence[int]) -> Block:
        """These rows, in this order, without the columns that none of them uses."""
        rows = torch.tensor(indices, device=self.mask.device)
        mask = self.mask[rows]
        columns = mask.any(dim=0).nonzero().squeeze(-1)
        layers = tuple((keys[rows][:, :, columns], values[rows][:, :, columns]) for keys, values in self.layers)
        return Block(layers, mask[:, columns])


def gather(places: Sequence[tuple[Block, int]]) -> Block:
    """One block of the rows at these places, in this order; shorter ones are padded on the left with masked columns."""
    blocks: list[Block] = []
    for block, _ in places:
        if not any(block is known for known in blocks):
            blocks.append(block)
    numbers = [next(n for n, known in enumerate(blocks) if known is block) for block, _ in places]
    parts = [
        block.rows([row for (_, row), number in zip(places, numbers, strict=True) if number == n])
        for n, block in enumerate(blocks)
    ]
    joined = parts[0] if len(parts) == 1 else _stack(parts)
    order = sorted(range(len(places)), key=lambda place: numbers[place])
    if order == list(range(len(places))):
        return joined
    found_at = {place: row for row, place in enumerate(order)}
    return joined.rows([found_at[place] for place in range(len(places))])


def _stack(parts: Sequence[Block]) -> Block:
    columns = max(part.mask.shape[1] for part in parts)

    def padded(tensor: torch.Tensor, dimension: int) -> torch.Tensor:
        shape = list(tensor.shape)
        shape[dimension] = columns - shape[dimension]
        return torch.cat([tensor.new_zeros(shape), tensor], dim=dimension)

    layers = tuple(
        (
            torch.cat([padded(part.layers[number][0], -2) for part in parts]),
            torch.cat([padded(part.layers[number][1], -2) for part in parts]),
        )
        for number in range(len(parts[0].layers))
    )
    return Block(layers, torch.cat([padded(part.mask, -1) for part in parts]))

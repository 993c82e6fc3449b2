"""What transformers' caches hold of many conversations: rows to pick, to shift and to put together.

Place in the data's way: station 5, below the slots. A cache's batch rows are conversations of different lengths, whose
columns end together: shorter ones begin later, with columns that a mask leaves out. Layers with a window keep the last
columns only; linear-attention layers keep states without columns. Nothing here knows of tokens or turns.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, cache_utils

_PLAIN = (cache_utils.DynamicLayer, cache_utils.LinearAttentionAndFullAttentionLayer)
_SLIDING = (cache_utils.DynamicSlidingWindowLayer, cache_utils.LinearAttentionAndSlidingWindowAttentionLayer)
_LINEAR = (
    cache_utils.LinearAttentionLayer,
    cache_utils.LinearAttentionAndFullAttentionLayer,
    cache_utils.LinearAttentionAndSlidingWindowAttentionLayer,
)
KNOWN = frozenset({*_PLAIN, *_SLIDING, *_LINEAR, cache_utils.DummyLayer})
"""Kinds of layers whose whole content is known here."""


@dataclass(frozen=True, slots=True)
class LayerRows:
    """One layer of S conversations.

    `keys` and `values` are [S, heads, C, head_dim], None in a layer without attention; `states` are those of linear
    attention, [S, ...] each, by place. `like` is a transformers layer of that kind, without content.
    """

    like: Any
    keys: torch.Tensor | None
    values: torch.Tensor | None
    states: tuple[tuple[str, int, torch.Tensor], ...] = ()

    @property
    def window(self) -> int | None:
        """Returns the columns that the layer looks back on, itself included; None for all."""
        return self.like.sliding_window if type(self.like) in _SLIDING else None

    def columns(self, total: int) -> int:
        """Says how many of `total` columns this layer keeps."""
        return total if self.window is None else min(total, self.window - 1)

    def row_bytes(self, total: int) -> int:
        """Counts the bytes of one conversation of `total` tokens."""
        columns = self.columns(total)
        kept = sum(part[0, :, 0].nbytes for part in (self.keys, self.values) if part is not None)
        return columns * kept + sum(state[0].nbytes for _, _, state in self.states)


@dataclass(frozen=True, slots=True)
class CacheRows:
    """S conversations of `lengths` tokens; their last columns are at the end of `total` columns."""

    layers: tuple[LayerRows, ...]
    lengths: tuple[int, ...]
    total: int

    @staticmethod
    def of(cache: DynamicCache, lengths: Sequence[int], total: int) -> CacheRows:
        """Takes what a cache holds now and shares its tensors: take rows before the cache is used again."""
        return CacheRows(tuple(_read(layer) for layer in cache.layers), tuple(lengths), total)

    @property
    def movable(self) -> bool:
        """Says whether the kind of every layer is known here."""
        return all(type(layer.like) in KNOWN for layer in self.layers)

    @property
    def forgetful(self) -> bool:
        """Says whether reading on loses earlier content: states change, and windows drop columns."""
        return any(layer.states or layer.window is not None for layer in self.layers)

    @property
    def stateful(self) -> bool:
        """Says whether a layer has states, into which padding could leak."""
        return any(type(layer.like) in _LINEAR for layer in self.layers)

    def row_bytes(self, tokens: int) -> int:
        """Counts the bytes that one conversation of so many tokens takes in all layers; needs rows that have read
        something.
        """
        return sum(layer.row_bytes(tokens) for layer in self.layers)

    def take(self, rows: Sequence[int], *, trim: int = 0) -> CacheRows:
        """Copies these rows, in this order, without their last `trim` columns and those that none of them uses."""
        lengths = tuple(self.lengths[row] for row in rows)
        total = max(lengths)
        index = torch.tensor(rows, device=self._device())
        layers = tuple(self._taken(layer, index, total, trim) for layer in self.layers)
        return CacheRows(layers, lengths, total)

    def cache(self) -> DynamicCache:
        """Makes a cache as transformers' models take it; reading on may change these rows' states."""
        cache = DynamicCache()
        cache.layers = [_write(layer, self.total) for layer in self.layers]
        return cache

    def _taken(self, layer: LayerRows, index: torch.Tensor, total: int, trim: int) -> LayerRows:
        if trim and (layer.states or layer.window is not None):
            raise ValueError("a layer with states or a window can't go back")
        states = tuple((name, place, state.index_select(0, index)) for name, place, state in layer.states)
        if layer.keys is None or layer.values is None:
            return LayerRows(layer.like, None, None, states)
        end = layer.keys.shape[-2] - trim
        chosen = slice(end - min(end, layer.columns(total)), end)
        return LayerRows(
            layer.like,
            layer.keys[:, :, chosen].index_select(0, index),
            layer.values[:, :, chosen].index_select(0, index),
            states,
        )

    def _device(self) -> torch.device:
        for layer in self.layers:
            if layer.keys is not None:
                return layer.keys.device
            for _, _, state in layer.states:
                return state.device
        return torch.device("cpu")


def join(parts: Sequence[CacheRows]) -> CacheRows:
    """Joins the rows of all parts in order; shorter ones get columns before their first."""
    if len(parts) == 1:
        return parts[0]
    total = max(part.total for part in parts)
    layers = tuple(_joined([part.layers[number] for part in parts], total) for number in range(len(parts[0].layers)))
    return CacheRows(layers, tuple(length for part in parts for length in part.lengths), total)


def _joined(parts: Sequence[LayerRows], total: int) -> LayerRows:
    states = tuple(
        (name, place, torch.cat([part.states[number][2] for part in parts]))
        for number, (name, place, _) in enumerate(parts[0].states)
    )
    columns = parts[0].columns(total)
    keys = [part.keys for part in parts if part.keys is not None]
    values = [part.values for part in parts if part.values is not None]
    if not keys:
        return LayerRows(parts[0].like, None, None, states)
    return LayerRows(parts[0].like, _padded(keys, columns), _padded(values, columns), states)


def _padded(tensors: Sequence[torch.Tensor], columns: int) -> torch.Tensor:
    rows = sum(len(tensor) for tensor in tensors)
    _, heads, _, size = tensors[0].shape
    joined = tensors[0].new_zeros((rows, heads, columns, size))
    row = 0
    for tensor in tensors:
        joined[row : row + len(tensor), :, columns - tensor.shape[-2] :] = tensor
        row += len(tensor)
    return joined


def _read(layer: Any) -> LayerRows:
    keys, values = getattr(layer, "keys", None), getattr(layer, "values", None)
    # Rows outlive the batch that they were taken from; its tensors shall not live as long.
    bare = copy.copy(layer)
    if keys is not None:
        bare.keys = bare.values = None
    if type(layer) not in _LINEAR:
        return LayerRows(bare, keys, values)
    bare.conv_states, bare.recurrent_states = dict.fromkeys(layer.conv_states), dict.fromkeys(layer.recurrent_states)
    kinds = (("conv_states", layer.conv_states), ("recurrent_states", layer.recurrent_states))
    states = tuple((name, place, state) for name, kind in kinds for place, state in kind.items() if state is not None)
    return LayerRows(bare, keys, values, states)


def _write(rows: LayerRows, total: int) -> Any:
    """Makes a transformers layer like the one that the rows came from, with their content."""
    layer = copy.copy(rows.like)
    if rows.keys is not None:
        layer.keys, layer.values = rows.keys, rows.values
    if rows.window is not None:
        layer.cumulative_length = total
    if type(layer) in _LINEAR:
        layer.conv_states, layer.recurrent_states = dict(layer.conv_states), dict(layer.recurrent_states)
        for name, place, state in rows.states:
            getattr(layer, name)[place] = state
        layer.has_previous_state = dict(layer.has_previous_state)
    return layer

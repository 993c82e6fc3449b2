"""Computes log-probabilities over the whole vocabulary, in tiles of tokens x vocabulary, with an own backward.

Place in the data's way: station 8, behind `token_logprobs`, which checks what comes in here. Tensor names end in their
dimensions: N tokens, V vocabulary, H hidden; T and U are a tile's tokens and vocabulary. Must never hold a tensor of
[N, V]: the forward keeps one log of a sum for each token (online, as the tiles go by), the backward computes each tile
again from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from trainyard_trainer.policy.logprobs.logit_rule import LogitRule, compute_dtype

TOKEN_TILE = 1_024
VOCABULARY_TILE = 2_048
"""Each tile is passed over several times, so it shall stay in a CPU's last cache: 8 MiB in float32. And the matrix
products shall run at full speed: at H = 256 the whole pass takes 1.15 times as long as its products alone, and within
6 % of that from 512 x 2,048 to 2,048 x 2,048; 512 x 16,384 takes 10 % more (AMD EPYC with AVX-512, 1 and 2 threads).
"""


def _spans(length: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, length, size):
        yield start, min(start + size, length)


class _Tiles:
    """Computes the head's logits a tile at a time, into buffers that every tile uses again."""

    def __init__(
        self,
        hidden_NH: torch.Tensor,
        weight_VH: torch.Tensor,
        bias_V: torch.Tensor | None,
        rule: LogitRule,
        spare: bool,
    ) -> None:
        self.hidden_NH, self.weight_VH, self.bias_V, self.rule = hidden_NH, weight_VH, bias_V, rule
        self.dtype = compute_dtype(hidden_NH, weight_VH, bias_V)
        size = min(len(hidden_NH), TOKEN_TILE) * min(len(weight_VH), VOCABULARY_TILE)
        self._tile = hidden_NH.new_empty(size, dtype=self.dtype)
        self._spare = hidden_NH.new_empty(size, dtype=self.dtype) if spare else None

    def vocabulary(self) -> Iterator[tuple[int, int, torch.Tensor, torch.Tensor | None]]:
        """Gives start, end, weight [U, H] and scaled bias [U] of each part; a weight is converted once."""
        for low, high in _spans(len(self.weight_VH), VOCABULARY_TILE):
            bias_U = None if self.bias_V is None else self.bias_V[low:high].to(self.dtype) * self.rule.inner
            yield low, high, self.weight_VH[low:high].to(self.dtype), bias_U

    def tokens(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """Gives positions and hidden states [T, H], scaled so that a product with a weight needs no more."""
        factor = self.rule.inner * self.rule.scale
        for start, end in _spans(len(self.hidden_NH), TOKEN_TILE):
            hidden_TH = self.hidden_NH[start:end].to(self.dtype)
            yield slice(start, end), hidden_TH if factor == 1.0 else hidden_TH * factor

    def logits(self, hidden_TH: torch.Tensor, weight_UH: torch.Tensor, bias_U: torch.Tensor | None) -> torch.Tensor:
        """Computes the tile's logits [T, U], in the first buffer."""
        tile_TU = self._view(self._tile, len(hidden_TH), len(weight_UH))
        if bias_U is None:
            torch.mm(hidden_TH, weight_UH.t(), out=tile_TU)
        else:
            torch.addmm(bias_U, hidden_TH, weight_UH.t(), out=tile_TU)
        return tile_TU if self.rule.softcap is None else tile_TU.tanh_().mul_(self.rule.outer)

    def spare(self, like_TU: torch.Tensor) -> torch.Tensor:
        """Gives the second buffer, in the shape of a tile."""
        if self._spare is None:
            raise RuntimeError("tiles made without a second buffer were asked for it")
        return self._view(self._spare, *like_TU.shape)

    @staticmethod
    def _view(buffer: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
        return buffer[: rows * columns].view(rows, columns)


class _Sums:
    """What is known of each token [N] after some tiles: its largest logit, the sums of exp(logit - largest) and of
    that x (logit - largest), and its target's logit if its tile has passed.
    """

    def __init__(self, targets_N: torch.Tensor, dtype: torch.dtype, want_entropy: bool) -> None:
        self.targets_N = targets_N
        # The smallest finite number, not -inf: -inf - -inf would be nan.
        self.tops_N = torch.full(targets_N.shape, torch.finfo(dtype).min, dtype=dtype, device=targets_N.device)
        self.sums_N = torch.zeros_like(self.tops_N)
        self.moments_N = torch.zeros_like(self.tops_N) if want_entropy else None
        self.chosen_N = torch.zeros_like(self.tops_N)

    def add(self, at: slice, low: int, logits_TU: torch.Tensor, tiles: _Tiles) -> None:
        """Takes one tile in; overwrites it."""
        index_T1, inside_T1 = _place(self.targets_N[at], low, logits_TU.shape[1])
        found_T = logits_TU.gather(1, index_T1).squeeze(1)
        self.chosen_N[at] = torch.where(inside_T1.squeeze(1), found_T, self.chosen_N[at])
        old_T = self.tops_N[at]
        tops_T = torch.maximum(old_T, logits_TU.amax(1))
        shift_T, fade_T = old_T - tops_T, torch.exp(old_T - tops_T)
        logits_TU.sub_(tops_T.unsqueeze(1))
        if self.moments_N is None:
            exps_TU = logits_TU.exp_()
            self.sums_N[at] = self.sums_N[at] * fade_T + exps_TU.sum(1)
        else:
            exps_TU = torch.exp(logits_TU, out=tiles.spare(logits_TU))
            faded_T = self.sums_N[at] * fade_T
            self.sums_N[at] = faded_T + exps_TU.sum(1)
            self.moments_N[at] = self.moments_N[at] * fade_T + faded_T * shift_T + exps_TU.mul_(logits_TU).sum(1)
        self.tops_N[at] = tops_T


def _place(targets_T: torch.Tensor, low: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Finds each target's column in a tile of this width, and whether it lies there at all; [T, 1] both."""
    local_T1 = (targets_T - low).unsqueeze(1)
    return local_T1.clamp(0, width - 1), (local_T1 >= 0) & (local_T1 < width)


class TiledLogprobs(torch.autograd.Function):
    """(hidden [N, H], weight [V, H], bias [V] or None, targets [N], rule, want_entropy) -> (log-probabilities [N],
    entropies [N] or None). Entropies carry no gradient. A gradient that nobody needs gets no buffer. Each sum runs in
    one order: the same inputs give the same bits.
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd hands arguments on by position
        ctx: Any,
        hidden_NH: torch.Tensor,
        weight_VH: torch.Tensor,
        bias_V: torch.Tensor | None,
        targets_N: torch.Tensor,
        rule: LogitRule,
        want_entropy: bool,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Runs over all tiles once."""
        ctx.set_materialize_grads(False)
        tiles = _Tiles(hidden_NH, weight_VH, bias_V, rule, spare=want_entropy)
        sums = _Sums(targets_N, tiles.dtype, want_entropy)
        with torch.autocast(hidden_NH.device.type, enabled=False):
            for low, _, weight_UH, bias_U in tiles.vocabulary():
                for at, hidden_TH in tiles.tokens():
                    sums.add(at, low, tiles.logits(hidden_TH, weight_UH, bias_U), tiles)
        logs_N = sums.sums_N.log()
        normalizers_N = sums.tops_N + logs_N
        ctx.rule = rule
        ctx.save_for_backward(hidden_NH, weight_VH, bias_V, targets_N, normalizers_N)
        entropies_N = None if sums.moments_N is None else logs_N - sums.moments_N / sums.sums_N
        if entropies_N is not None:
            ctx.mark_non_differentiable(entropies_N)
        return sums.chosen_N - normalizers_N, entropies_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grads_N: torch.Tensor | None, _entropies: None) -> tuple[torch.Tensor | None, ...]:
        """Runs over all tiles once more."""
        if grads_N is None:
            return (None,) * 6
        hidden_NH, weight_VH, bias_V, targets_N, normalizers_N = ctx.saved_tensors
        tiles = _Tiles(hidden_NH, weight_VH, bias_V, ctx.rule, spare=ctx.rule.softcap is not None)
        factors_N = grads_N.to(tiles.dtype) * ctx.rule.outer
        with torch.autocast(hidden_NH.device.type, enabled=False):
            return *_gradients(tiles, targets_N, normalizers_N, factors_N, ctx.needs_input_grad[:3]), None, None, None


def _gradients(
    tiles: _Tiles,
    targets_N: torch.Tensor,
    normalizers_N: torch.Tensor,
    factors_N: torch.Tensor,
    needed: Sequence[bool],
) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
    """Computes the gradients of hidden, weight and bias that are needed. `factors_N` never multiply a tile."""
    hidden_NH, weight_VH, bias_V, rule = tiles.hidden_NH, tiles.weight_VH, tiles.bias_V, tiles.rule
    d_hidden_NH = torch.zeros_like(hidden_NH, dtype=tiles.dtype) if needed[0] else None
    d_weight_VH = torch.empty_like(weight_VH) if needed[1] else None
    d_bias_V = torch.empty_like(bias_V) if bias_V is not None and needed[2] else None
    for low, high, weight_UH, bias_U in tiles.vocabulary():
        d_weight_UH = torch.zeros_like(weight_UH) if d_weight_VH is not None else None
        d_bias_U = torch.zeros_like(bias_U) if bias_U is not None and d_bias_V is not None else None
        for at, hidden_TH in tiles.tokens():
            logits_TU = tiles.logits(hidden_TH, weight_UH, bias_U)
            errors_TU = _errors(logits_TU, targets_N[at], normalizers_N[at], low, tiles)
            if d_hidden_NH is not None:
                d_hidden_NH[at].addmm_(errors_TU, weight_UH)
            if d_weight_UH is not None:
                d_weight_UH.addmm_(errors_TU.t(), hidden_TH * factors_N[at].unsqueeze(1))
            if d_bias_U is not None:
                d_bias_U.addmv_(errors_TU.t(), factors_N[at])
        if d_weight_VH is not None and d_weight_UH is not None:
            d_weight_VH[low:high] = d_weight_UH
        if d_bias_V is not None and d_bias_U is not None:
            d_bias_V[low:high] = d_bias_U.mul_(rule.inner)
    if d_hidden_NH is not None:
        d_hidden_NH = d_hidden_NH.mul_((factors_N * (rule.inner * rule.scale)).unsqueeze(1)).to(hidden_NH.dtype)
    return d_hidden_NH, d_weight_VH, d_bias_V


def _errors(
    logits_TU: torch.Tensor, targets_T: torch.Tensor, normalizers_T: torch.Tensor, low: int, tiles: _Tiles
) -> torch.Tensor:
    """Computes [is the target] - probability, which is d logprob / d logit, times the slope of the tanh; in place of
    the logits.
    """
    slopes_TU = None
    if tiles.rule.softcap is not None:
        slopes_TU = torch.div(logits_TU, tiles.rule.outer, out=tiles.spare(logits_TU)).square_().neg_().add_(1.0)
    index_T1, inside_T1 = _place(targets_T, low, logits_TU.shape[1])
    errors_TU = logits_TU.sub_(normalizers_T.unsqueeze(1)).exp_().neg_()
    errors_TU.scatter_(1, index_T1, errors_TU.gather(1, index_T1) + inside_T1)
    return errors_TU if slopes_TU is None else errors_TU.mul_(slopes_TU)

"""From logits to tokens: temperature, filters, and the inverse of the cumulative distribution.

Place in the data's way: station 5, below the decoders. Pure: the same logits and the same uniform number give the same
token, in whatever row of whatever batch. Knows nothing of conversations. Tensor names end in their dimensions: S rows,
V vocabulary, cut into B blocks of K tokens; W most probable tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

WIDE = 4096
"""Vocabularies beyond this size are summed in blocks, so that float64 sums of all tokens never exist at once."""
BLOCK = 256


NUCLEUS = 1024
"""Most probable tokens that are looked at first to find the fewest that reach a sum."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Says what may be drawn in each of S rows.

    Of the `top_k` [S] most probable tokens, the fewest whose renormalised probabilities reach `top_p` [S], float64, and
    those as probable as the last of these. A row without the one has a `top_k` of V, without the other a `top_p` above
    1. `widest` is the largest `top_k`.
    """

    top_k: torch.Tensor
    top_p: torch.Tensor
    widest: int

    @staticmethod
    def of(
        top_k: Sequence[int | None], top_p: Sequence[float | None], vocabulary: int, device: torch.device
    ) -> Filters | None:
        """Makes the filters of rows; None where no row has one.

        A `top_k` of the whole vocabulary and a `top_p` of 1 are none: by rounding, the last few tokens would count as
        cut, and every drawn token would bring nearly all ids as its support.
        """
        counts = [vocabulary if k is None else min(k, vocabulary) for k in top_k]
        shares = [2.0 if p is None or p >= 1.0 else p for p in top_p]
        if min(counts) == vocabulary and min(shares) > 1.0:
            return None
        return Filters(
            torch.tensor(counts, device=device),
            torch.tensor(shares, dtype=torch.float64, device=device),
            max(counts),
        )


@dataclass(frozen=True, slots=True)
class Drawn:
    """Token ids [S], and log-probabilities [S] of the distribution that they were drawn from.

    `kept` [S, V] is True for the tokens that could be drawn; None where there are no filters.
    """

    tokens: torch.Tensor
    logprobs: torch.Tensor
    kept: torch.Tensor | None = None

    def support(self, row: int) -> tuple[int, ...] | None:
        """Lists the ids that could be drawn in a row, ascending; None where all could be."""
        if self.kept is None or bool(self.kept[row].all()):
            return None
        return tuple(self.kept[row].nonzero().squeeze(-1).tolist())


def draw_tokens(
    logits_SV: torch.Tensor,
    uniform_S: torch.Tensor,
    temperature_S: torch.Tensor | None = None,
    filters: Filters | None = None,
) -> Drawn:
    """Draws one token per row by inverse CDF.

    The cumulative sum is in float64; rounding at its end can't lead beyond the last token of non-zero mass.

    Args:
        logits_SV: next-token logits [S, V].
        uniform_S: float64 numbers in [0, 1), [S].
        temperature_S: temperatures [S], greater than 0; None is 1 for all.
        filters: what may be drawn; None is everything.
    """
    scaled_SV = logits_SV.float()
    if temperature_S is not None:
        scaled_SV = scaled_SV / temperature_S[:, None]
    mass_SV = torch.softmax(scaled_SV, dim=-1)
    kept_SV = None
    if filters is not None:
        kept_SV = _kept(mass_SV, filters)
        mass_SV = mass_SV * kept_SV
    pick = _pick_wide if mass_SV.shape[-1] > WIDE else _pick
    tokens_S1, total_S1 = pick(mass_SV, uniform_S[:, None])
    # Logits that aren't numbers draw some token, whose log-probability is no number either: that is noticed later.
    tokens_S1 = tokens_S1.clamp(max=mass_SV.shape[-1] - 1)
    logprobs_S1 = (mass_SV.gather(-1, tokens_S1).double() / total_S1).log()
    return Drawn(tokens_S1.squeeze(-1), logprobs_S1.squeeze(-1), kept_SV)


def _pick(mass_SV: torch.Tensor, uniform_S1: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the first token at which the cumulative sum exceeds its uniform share of the total, and the total; [S,
    1].
    """
    cumulated_SV = mass_SV.cumsum(dim=-1, dtype=torch.float64)
    total_S1 = cumulated_SV[:, -1:]
    return _first_above(cumulated_SV, _below(uniform_S1 * total_S1, total_S1)), total_S1


def _pick_wide(mass_SV: torch.Tensor, uniform_S1: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Does the same in two stages: the block of tokens, then the token in it."""
    size = mass_SV.shape[-1]
    whole = size // BLOCK * BLOCK
    sums_SB = mass_SV[:, :whole].unflatten(-1, (-1, BLOCK)).sum(dim=-1, dtype=torch.float64)
    if whole < size:
        rest_S1 = mass_SV[:, whole:].sum(dim=-1, keepdim=True, dtype=torch.float64)
        sums_SB = torch.cat([sums_SB, rest_S1], dim=-1)
    cumulated_SB = sums_SB.cumsum(dim=-1)
    total_S1 = cumulated_SB[:, -1:]
    target_S1 = _below(uniform_S1 * total_S1, total_S1)
    block_S1 = _first_above(cumulated_SB, target_S1).clamp(max=sums_SB.shape[-1] - 1)
    before_S1 = torch.where(block_S1 > 0, cumulated_SB.gather(-1, (block_S1 - 1).clamp(min=0)), 0.0)
    places_SK = block_S1 * BLOCK + torch.arange(BLOCK, device=mass_SV.device)
    inside_SK = mass_SV.gather(-1, places_SK.clamp(max=size - 1)).double() * (places_SK < size)
    inside_SK = inside_SK.cumsum(dim=-1)
    token_S1 = _first_above(inside_SK, _below(target_S1 - before_S1, inside_SK[:, -1:]))
    return block_S1 * BLOCK + token_S1, total_S1


def _below(target_S1: torch.Tensor, total_S1: torch.Tensor) -> torch.Tensor:
    """Keeps the target below the total, so that the first sum above it belongs to a token of non-zero mass."""
    return torch.minimum(target_S1, torch.nextafter(total_S1, torch.zeros_like(total_S1)))


def _first_above(cumulated: torch.Tensor, target_S1: torch.Tensor) -> torch.Tensor:
    return torch.searchsorted(cumulated, target_S1, right=True)


def _kept(mass_SV: torch.Tensor, filters: Filters) -> torch.Tensor:
    """Says which tokens may be drawn; [S, V]."""
    size = mass_SV.shape[-1]
    first = filters.widest if filters.widest < size else min(size, NUCLEUS)
    for width in (first, size):
        best_SW = mass_SV.topk(width, dim=-1).values
        counted_SW = best_SW.double() * (torch.arange(width, device=mass_SV.device) < filters.top_k[:, None])
        # What lies beyond the best ones counts only in rows that keep more than those.
        open_S = filters.top_k > width
        total_S = torch.where(open_S, mass_SV.sum(dim=-1, dtype=torch.float64), counted_SW.sum(dim=-1))
        before_SW = counted_SW.cumsum(dim=-1) - counted_SW
        stays_SW = (counted_SW > 0) & (before_SW < (filters.top_p * total_S)[:, None])
        whole_S = (filters.top_k >= size) & (filters.top_p > 1)
        if width == size or not bool((stays_SW[:, -1] & open_S & ~whole_S).any()):
            break
    least_S1 = best_SW.masked_fill(~stays_SW, torch.inf).amin(dim=-1, keepdim=True)
    return (mass_SV >= least_S1) | whole_S[:, None]

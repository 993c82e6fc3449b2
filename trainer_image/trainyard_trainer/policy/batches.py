"""Token sequences as padded tensors for the policy.

Place in the data's way: station 8. A row is trained with one weight per token, in which the loss's denominator over the
whole update is already contained: sums over micro-batches are then the same however the rows are cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

MAX_TOKENS = 16_384
"""Most tokens, padding included, of one micro-batch; one longer row is a micro-batch of its own."""


@dataclass(frozen=True, slots=True)
class Row:
    """One token sequence, which is a segment of a trajectory; all tuples have its length T.

    `mask` is True where a token is trained. `weights` multiply the losses of the tokens; the denominator over the whole
    update is in them, and the ratio that makes up for a sampler of an older version. `sampler_logprobs`,
    `old_logprobs` and `reference_logprobs` are NaN where the mask is False; None where nobody needs them: without old
    ones, the ratio is to the policy of now. `on_policy` is True where this very version of the policy sampled all
    tokens. `trajectory` tells rows of one trajectory from others in the update. `support` as in `trajectory.Segment`.
    """

    token_ids: tuple[int, ...]
    mask: tuple[bool, ...]
    advantages: tuple[float, ...]
    weights: tuple[float, ...]
    trajectory: int
    sampler_logprobs: tuple[float, ...] | None = None
    old_logprobs: tuple[float, ...] | None = None
    reference_logprobs: tuple[float, ...] | None = None
    support: tuple[tuple[int, ...] | None, ...] | None = None
    on_policy: bool = True


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Rows padded on the right to a common length; all tensors are [B, T].

    `weights` are 0 where `mask` is False; `sampler_logprobs` is NaN where no sampler drew the token.
    """

    token_ids: torch.Tensor
    attention: torch.Tensor
    mask: torch.Tensor
    advantages: torch.Tensor
    weights: torch.Tensor
    sampler_logprobs: torch.Tensor

    def to(self, device: torch.device) -> MicroBatch:
        """The same on another device."""
        return MicroBatch(
            self.token_ids.to(device),
            self.attention.to(device),
            self.mask.to(device),
            self.advantages.to(device),
            self.weights.to(device),
            self.sampler_logprobs.to(device),
        )


def micro_batches(rows: Sequence[Row], pad_id: int, max_tokens: int = MAX_TOKENS) -> list[MicroBatch]:
    """Rows in their order, cut so that no micro-batch has more than `max_tokens` tokens with its padding."""
    return [_pad(cut, pad_id) for cut in _cuts(rows, max_tokens)]


def _cuts(rows: Sequence[Row], max_tokens: int) -> Iterator[Sequence[Row]]:
    start, longest = 0, 0
    for index, row in enumerate(rows):
        longest = max(longest, len(row.token_ids))
        if index > start and longest * (index - start + 1) > max_tokens:
            yield rows[start:index]
            start, longest = index, len(row.token_ids)
    if rows:
        yield rows[start:]


def _pad(rows: Sequence[Row], pad_id: int) -> MicroBatch:
    shape = (len(rows), max(len(row.token_ids) for row in rows))
    token_ids = torch.full(shape, pad_id, dtype=torch.long)
    attention = torch.zeros(shape, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.bool)
    advantages, weights = torch.zeros(shape), torch.zeros(shape)
    sampler_logprobs = torch.full(shape, float("nan"))
    for index, row in enumerate(rows):
        length = len(row.token_ids)
        token_ids[index, :length] = torch.tensor(row.token_ids)
        attention[index, :length] = 1
        mask[index, :length] = torch.tensor(row.mask)
        advantages[index, :length] = torch.tensor(row.advantages)
        if row.sampler_logprobs is not None:
            sampler_logprobs[index, :length] = torch.tensor(row.sampler_logprobs)
        weights[index] = mask[index] * row.weight
    return MicroBatch(token_ids, attention, mask, advantages, weights, sampler_logprobs)

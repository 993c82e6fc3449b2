"""Pads token sequences into tensors for the policy.

Place in the data's way: station 8. A row is trained with one weight per token, in which the loss's denominator over the
whole update is already contained: sums over micro-batches are then the same however the rows are cut. How they are cut
is `micro_batches`' business. Dimensions: B rows, T columns, N trained tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch

from trainyard_trainer.policy.logprobs.token_logprobs import Support


@dataclass(frozen=True, slots=True)
class Row:
    """Holds one token sequence, which is a segment of a trajectory; all tuples have its length T.

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
    """Holds rows padded on the right to a common length [B, T]; their trained tokens are flat tensors [N], row by row.

    `positions` are indices into the B x T columns, of the column before each trained token: there the model says what
    it expects. `trajectories` number the trajectories from 0 in this micro-batch. Numbers that a row doesn't have are
    NaN; `reference_logprobs` as a whole is None where no row has them. Numbers are float64, as Python's are.
    """

    token_ids: torch.Tensor
    attention: torch.Tensor
    positions: torch.Tensor
    targets: torch.Tensor
    advantages: torch.Tensor
    weights: torch.Tensor
    trajectories: torch.Tensor
    sampler_logprobs: torch.Tensor
    old_logprobs: torch.Tensor
    reference_logprobs: torch.Tensor | None
    on_policy: torch.Tensor
    support: Support | None

    @property
    def tokens(self) -> int:
        """Counts the columns of all rows, padding included."""
        return self.token_ids.numel()

    def to(self, device: torch.device) -> MicroBatch:
        """Copies it to another device."""
        moved = {field.name: _moved(getattr(self, field.name), device) for field in fields(self)}
        return MicroBatch(**moved)


def micro_batch(rows: Sequence[Row], pad_id: int) -> MicroBatch:
    """Puts rows, at least one, side by side.

    Raises:
        ValueError: a row's first token is to be trained, which nothing predicts.
    """
    for row in rows:
        if row.mask[0]:
            raise ValueError("mask: a row's first token can't be trained, for no token comes before it; got True")
    shape = (len(rows), max(len(row.token_ids) for row in rows))
    token_ids = torch.full(shape, pad_id, dtype=torch.long)
    attention = torch.zeros(shape, dtype=torch.long)
    for index, row in enumerate(rows):
        token_ids[index, : len(row.token_ids)] = torch.tensor(row.token_ids)
        attention[index, : len(row.token_ids)] = 1
    trained = [(index, at) for index, row in enumerate(rows) for at in range(len(row.mask)) if row.mask[at]]
    numbers = {key: place for place, key in enumerate(dict.fromkeys(row.trajectory for row in rows))}

    def flat(values: Iterable[Sequence[float] | None]) -> torch.Tensor:
        by_row = list(values)
        return torch.tensor([_at(by_row[index], at) for index, at in trained], dtype=torch.float64)

    kept = [None if (cut := rows[index].support) is None else cut[at] for index, at in trained]
    return MicroBatch(
        token_ids=token_ids,
        attention=attention,
        positions=torch.tensor([index * shape[1] + at - 1 for index, at in trained], dtype=torch.long),
        targets=torch.tensor([rows[index].token_ids[at] for index, at in trained], dtype=torch.long),
        advantages=flat(row.advantages for row in rows),
        weights=flat(row.weights for row in rows),
        trajectories=torch.tensor([numbers[rows[index].trajectory] for index, _ in trained], dtype=torch.long),
        sampler_logprobs=flat(row.sampler_logprobs for row in rows),
        old_logprobs=flat(row.old_logprobs for row in rows),
        reference_logprobs=(
            None
            if all(row.reference_logprobs is None for row in rows)
            else flat(row.reference_logprobs for row in rows)
        ),
        on_policy=torch.tensor([rows[index].on_policy for index, _ in trained], dtype=torch.bool),
        support=Support.of(kept),
    )


def _at(values: Sequence[float] | None, place: int) -> float:
    return math.nan if values is None else values[place]


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, Support):
        return Support(value.positions.to(device), value.ids.to(device), value.lengths.to(device))
    return value

"""Sums and compares numbers and gradients over the processes that share an update.

Place in the data's way: station 8, between the backward passes and the optimizer. All ranks must call the same methods
in the same order. Without a process group every method gives back what it was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import distributed

BUCKET_ELEMENTS = 2**24
"""Gradients travel in flat buckets of about this many numbers: many small messages would cost more than the bytes."""


class Ranks:
    """Joins the ranks of a process group.

    Args:
        group: a torch.distributed process group, or None for one process.
        device: where messages lie; the group's backend says which devices it can do.
    """

    def __init__(self, group: Any, device: torch.device) -> None:
        self._group, self._device = group, device

    @property
    def alone(self) -> bool:
        """Says whether nobody shares the updates."""
        return self._group is None

    def totals(self, values: Sequence[float]) -> list[float]:
        """Sums over ranks, in float64."""
        return self._reduced(values, distributed.ReduceOp.SUM)

    def largest(self, value: float) -> float:
        """Takes the largest over ranks; NaN anywhere isn't promised to arrive."""
        return self._reduced([value], distributed.ReduceOp.MAX)[0]

    def smallest(self, value: float) -> float:
        """Takes the smallest over ranks."""
        return self._reduced([value], distributed.ReduceOp.MIN)[0]

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Sums each parameter's gradient over ranks, in place; None stays where no rank has one."""
        if self._group is None:
            return
        has = self._reduced([float(parameter.grad is not None) for parameter in parameters], distributed.ReduceOp.MAX)
        shared = [parameter for parameter, anywhere in zip(parameters, has, strict=True) if anywhere]
        for parameter in shared:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        for bucket in _buckets([parameter.grad for parameter in shared if parameter.grad is not None]):
            flat = torch.cat([gradient.flatten() for gradient in bucket])
            distributed.all_reduce(flat, group=self._group)
            parts = flat.split([gradient.numel() for gradient in bucket])
            for gradient, summed in zip(bucket, parts, strict=True):
                gradient.copy_(summed.view_as(gradient))

    def _reduced(self, values: Sequence[float], operation: Any) -> list[float]:
        if self._group is None:
            return list(values)
        message = torch.tensor(values, dtype=torch.float64, device=self._device)
        distributed.all_reduce(message, operation, group=self._group)
        return message.tolist()


def _buckets(gradients: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Groups consecutive gradients of one dtype."""
    bucket: list[torch.Tensor] = []
    elements = 0
    for gradient in gradients:
        if bucket and (gradient.dtype != bucket[0].dtype or elements + gradient.numel() > BUCKET_ELEMENTS):
            yield bucket
            bucket, elements = [], 0
        bucket.append(gradient)
        elements += gradient.numel()
    if bucket:
        yield bucket

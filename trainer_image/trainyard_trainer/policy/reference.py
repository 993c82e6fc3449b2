"""Keeps the policy that a run began with, for a penalty on leaving it.

Place in the data's way: station 8. What isn't trained never changes, so the first values of what is trained are the
whole reference: all weights in full fine-tuning; of an adapter, its own, whether it began at nothing or went on from
another run. They are kept where the policy computes, and trade places with today's values while it scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch


class Reference:
    """Holds the first values of parameters.

    Args:
        parameters: what is trained, in the type that it computes in; before the first update, and before a checkpoint's
            weights are loaded.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        self._parameters = list(parameters)
        self._first = [parameter.detach().clone() for parameter in parameters]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Gives the parameters their first values within a block; nothing may be trained there."""
        today = [parameter.data for parameter in self._parameters]
        self._put(self._first)
        try:
            with torch.no_grad():
                yield
        finally:
            self._put(today)

    def _put(self, values: Sequence[torch.Tensor]) -> None:
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.data = value

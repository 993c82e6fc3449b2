"""Measures what a policy's weights, copies and optimizer take, and what that leaves for passes and for sampling.

Place in the data's way: stations 4, 5 and 8. `memory` knows the machine; this file knows what a policy keeps there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch

from trainyard_trainer import memory
from trainyard_trainer.policy.precision import Weights
from trainyard_trainer.policy.settings import PolicySettings

GRADIENT_BYTES, MOMENT_BYTES = 4, 8
"""Of each trained number: its float32 gradient, and AdamW's two moments."""
PROBE_TOKENS = 512
"""Longest row that host memory is estimated with: what a pass keeps grows with its tokens."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Knows the memory of a policy with such `weights` and `settings` on `device`."""

    weights: Weights
    settings: PolicySettings
    device: torch.device

    def room(self) -> memory.Room:
        """Counts the bytes that sampling may use beside weights, copies and the optimizer with its moments."""
        moments = self._moment_bytes() if self.settings.trains else 0
        if self.device.type == "cuda":
            return memory.device_room(moments)
        # Of an update only the moments stay; a snapshot may be on its way out.
        more = self._snapshot_bytes() + moments if self.settings.trains else 0
        return memory.host_room(self._weight_bytes(), more, self._host_limit())

    def fits(
        self, longest_row: int, trial: Callable[[int, int], None], kept_bytes: Callable[[int], int]
    ) -> Callable[[int], bool]:
        """Makes what `memory.most_tokens` asks: whether a pass of so many tokens, in rows as long as they get, fits.

        Args:
            longest_row: tokens of the longest row to be expected.
            trial: a forward and backward pass over rows x columns that leaves nothing behind.
            kept_bytes: what the forward pass of one row of so many columns keeps for its backward pass.
        """
        if self.device.type == "cuda":
            return partial(self._fits_device, longest_row, trial)
        columns = min(longest_row, PROBE_TOKENS)
        of_a_token, resident, limit = kept_bytes(columns) / columns, self._resident_bytes(), self._host_limit()
        return lambda tokens: memory.fits_host(of_a_token * tokens, resident, limit)

    def _fits_device(self, longest_row: int, trial: Callable[[int, int], None], tokens: int) -> bool:
        """Tries whether it fits on the accelerator."""
        columns = min(tokens, longest_row)
        return memory.fits_device(partial(trial, tokens // columns, columns), self._moment_bytes())

    def _host_limit(self) -> int:
        return memory.host_limit(self.settings.memory_limit_bytes)

    def _resident_bytes(self) -> int:
        """Adds weights, gradients and moments of what is trained, and a snapshot."""
        gradients = GRADIENT_BYTES * self._trained()
        return self._weight_bytes() + self._snapshot_bytes() + gradients + self._moment_bytes()

    def _weight_bytes(self) -> int:
        """Adds weights, their copies and the reference."""
        models = {id(model): model for model in (self.weights.master, self.weights.model)}.values()
        reference = _bytes(self.weights.computing) if self.settings.keep_reference else 0
        return sum(_bytes(model.parameters()) for model in models) + reference

    def _snapshot_bytes(self) -> int:
        """Adds weights and moments; the weights lie on the disk, which may be a tmpfs."""
        return _bytes(self.weights.master.parameters()) + self._moment_bytes()

    def _moment_bytes(self) -> int:
        return MOMENT_BYTES * self._trained()

    def _trained(self) -> int:
        """Counts the numbers that learn."""
        return sum(parameter.numel() for parameter in self.weights.trained)


def _bytes(parameters: Iterable[torch.Tensor]) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in parameters)

"""Holds how a model's head makes logits, and in what precision they are computed.

Place in the data's way: station 8. Pure. What both ways to log-probabilities share: over the whole vocabulary
(`tiles`) and over a part of it (`support`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class LogitRule:
    """Turns the product of hidden state and weight into a logit:
    softcap x tanh((product x scale + bias) / softcap) / temperature; without a softcap, (product x scale + bias) /
    temperature.
    """

    temperature: float = 1.0
    softcap: float | None = None
    scale: float = 1.0

    @property
    def inner(self) -> float:
        """Gives the factor of (product x scale + bias): before the tanh if there is one, else all there is."""
        return 1.0 / (self.temperature if self.softcap is None else self.softcap)

    @property
    def outer(self) -> float:
        """Gives the factor behind the tanh; 1 without one."""
        return 1.0 if self.softcap is None else self.softcap / self.temperature


def compute_dtype(*tensors: torch.Tensor | None) -> torch.dtype:
    """Chooses what is computed and summed in: float32, whatever the inputs, or float64 if one of them has it."""
    return torch.float64 if any(t is not None and t.dtype == torch.float64 for t in tensors) else torch.float32

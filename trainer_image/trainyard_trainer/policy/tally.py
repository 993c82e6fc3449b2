"""Sums what an update measures on its way, over passes and ranks.

Place in the data's way: station 8, from the passes to the update's numbers. Sums, counts and maxima only, so that no
mean is ever a mean of means. What every policy measures is named here, what one loss measures beside that loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import torch

from trainyard_trainer.numbers import Kind, Number, largest, mean, total
from trainyard_trainer.policy.batches import MicroBatch
from trainyard_trainer.policy.loss import LossInputs, TokenLosses, TokenNumber
from trainyard_trainer.policy.ranks import Ranks

ENTROPY: Final = "entropy"
"""Mean over policy tokens, in nats."""
DIFFERENCE: Final = "sampling_logp_difference/mean"
"""Mean of |log-probability of the sampler - of the policy|, over tokens that this very version sampled, in nats."""
LARGEST_DIFFERENCE: Final = "sampling_logp_difference/max"
TRAINED_TOKENS: Final = "trained_tokens"
"""Policy tokens that were updated on; a token counts in every update that has it."""


@dataclass
class Tally:
    """Holds what the passes so far have measured.

    Attributes:
        of_loss: the numbers that the loss measures.
        loss: weighted sum of the losses.
    """

    of_loss: Mapping[str, TokenNumber] = field(default_factory=dict)
    loss: float = 0.0
    _found: dict[str, Number] = field(init=False)

    def __post_init__(self) -> None:
        # All names stand from the beginning: ranks must agree on them, also one that passes over nothing.
        self._found = {ENTROPY: mean(0, 0), DIFFERENCE: mean(0, 0), TRAINED_TOKENS: total(0)}
        self._found[LARGEST_DIFFERENCE] = largest(-math.inf)
        empty = {Kind.MEAN: mean(0, 0), Kind.SUM: total(0), Kind.MAX: largest(-math.inf)}
        self._found |= {name: empty[number.kind] for name, number in self.of_loss.items()}

    def add(
        self, loss: torch.Tensor, batch: MicroBatch, inputs: LossInputs, entropies_N: torch.Tensor, out: TokenLosses
    ) -> None:
        """Takes one pass in; `loss` is its weighted sum."""
        with torch.no_grad():
            differences_N = (inputs.logprobs - batch.sampler_logprobs).abs()
            known_N = differences_N.isfinite() & batch.on_policy
            known = differences_N[known_N]
            measured: dict[str, torch.Tensor | None]
            measured = {ENTROPY: entropies_N, DIFFERENCE: known, LARGEST_DIFFERENCE: known}
            measured |= {name: number.of(inputs, out) for name, number in self.of_loss.items()}
            there = {name: values for name, values in measured.items() if values is not None}
            parts = [part for name, values in there.items() for part in _reduced(self._found[name].kind, values)]
            # One transfer from the device.
            value, *rest = torch.stack([part.detach().double() for part in (loss, *parts)]).tolist()
        self.loss += value
        for name, reduced, count in zip(there, rest[::2], rest[1::2], strict=True):
            self._take(name, reduced, count)
        self._take(TRAINED_TOKENS, float(len(inputs.logprobs)), 1.0)

    def over(self, ranks: Ranks) -> Tally:
        """Reduces it over all ranks."""
        summed = [name for name, number in self._found.items() if number.kind is not Kind.MAX]
        counts = [part for name in summed for part in (self._found[name].total, self._found[name].count)]
        whole = Tally(self.of_loss)
        whole.loss, *rest = ranks.totals([self.loss, *counts])
        for name, reduced, count in zip(summed, rest[::2], rest[1::2], strict=True):
            whole._found[name] = Number(self._found[name].kind, reduced, count)
        # In the order in which they are declared, for every rank must ask for the same one.
        for name in [name for name, number in self._found.items() if number.kind is Kind.MAX]:
            whole._found[name] = largest(ranks.largest(self._found[name].total))
        return whole

    def numbers(self) -> dict[str, Number]:
        """Gives every number that has a value."""
        return {name: number for name, number in self._found.items() if number.value is not None}

    def _take(self, name: str, reduced: float, count: float) -> None:
        known = self._found[name]
        if known.kind is Kind.MAX:
            # What isn't finite stays: a number that is partly unknown has no value.
            self._found[name] = largest(reduced if math.isnan(reduced) else max(known.total, reduced))
        else:
            self._found[name] = Number(known.kind, known.total + reduced, known.count + count)


def _reduced(kind: Kind, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Reduces one pass to what is kept of it, and its number of values; one that isn't finite spoils the number."""
    values, count = values.double(), values.new_tensor(len(values), dtype=torch.float64)
    if kind is Kind.MAX:
        return values.max() if len(values) else values.new_tensor(-math.inf), count
    return values.sum(), count

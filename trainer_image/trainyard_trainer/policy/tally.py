"""What an update measures on its way, summed over passes and ranks.

Place in the data's way: station 8, from the passes to `policy.policy.UpdateOutcome`. Sums and counts only, so that no
mean is ever a mean of means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from trainyard_trainer.policy.batches import MicroBatch
from trainyard_trainer.policy.loss_inputs import TokenLosses
from trainyard_trainer.policy.ranks import Ranks

_SUMS = 9


@dataclass
class Tally:
    """Sums over the trained tokens so far: loss, tokens, entropy, kl, tokens with one, clipped low, clipped high,
    differences from the sampler, tokens with one; and the largest of these differences, negative while there is none.
    """

    sums: list[float] = field(default_factory=lambda: [0.0] * _SUMS)
    gap: float = -1.0

    def add(
        self,
        loss: torch.Tensor,
        batch: MicroBatch,
        logprobs_N: torch.Tensor,
        entropies_N: torch.Tensor,
        out: TokenLosses,
    ) -> None:
        """Take one pass in."""
        with torch.no_grad():
            kl = loss.new_zeros(()) if out.kl is None else out.kl.sum()
            differences_N = (logprobs_N - batch.sampler_logprobs).abs()
            known_N = differences_N.isfinite() & batch.on_policy
            gap = torch.where(known_N, differences_N, -1.0).max()
            gaps = torch.where(known_N, differences_N, 0.0).double().sum()
            clipped = (out.clipped_low.sum(), out.clipped_high.sum())
            parts = (gap, loss, entropies_N.sum(), kl, *clipped, gaps, known_N.sum())
            # One transfer from the device.
            found = torch.stack([part.double() for part in parts]).tolist()
        gap_here, value, entropy, divergence, *rest = found
        tokens = len(logprobs_N)
        counted = 0 if out.kl is None else tokens
        added = (value, tokens, entropy, divergence, counted, *rest)
        self.sums = [sum_ + one for sum_, one in zip(self.sums, added, strict=True)]
        self.gap = max(self.gap, gap_here)

    def over(self, ranks: Ranks) -> Tally:
        """The same over all ranks."""
        return Tally(ranks.totals(self.sums), ranks.largest(self.gap))

    @property
    def loss(self) -> float:
        """Weighted sum of the losses."""
        return self.sums[0]

    @property
    def tokens(self) -> int:
        """Trained tokens."""
        return int(self.sums[1])

    @property
    def entropy(self) -> float | None:
        """Mean entropy in nats; None without tokens, or where it isn't finite."""
        return self._mean(2, 1)

    @property
    def kl(self) -> float | None:
        """Mean estimate of the divergence from the reference; None without a penalty."""
        return self._mean(3, 4)

    @property
    def clip_low(self) -> float | None:
        """Share of the tokens that a lower clip cut."""
        return self._mean(5, 1)

    @property
    def clip_high(self) -> float | None:
        """Share of the tokens that an upper clip cut."""
        return self._mean(6, 1)

    @property
    def sampler_gap(self) -> float | None:
        """Largest difference from the sampler; None where no token is known to be this policy's."""
        return None if self.gap < 0 else self.gap

    @property
    def sampler_gap_mean(self) -> float | None:
        """Mean difference from the sampler, over the same tokens."""
        return self._mean(7, 8)

    def _mean(self, part: int, count: int) -> float | None:
        if not self.sums[count]:
            return None
        return finite(self.sums[part] / self.sums[count])


def finite(value: float) -> float | None:
    """The value, None in place of NaN and infinity."""
    return value if math.isfinite(value) else None

"""Rows end where they are told to, and not before."""

from __future__ import annotations

import torch

from hack.bench.forced_lengths import EndAt
from hack.bench.models import EOS


def test_an_end_is_forbidden_before_its_place_and_forced_there() -> None:
    """Rows of 1 and 3 tokens after a prompt of 4: the first one ends at once, the other isn't let."""
    end = EndAt((1, 3), prompt=4)
    for sampled, due in ((0, [True, False]), (1, [True, False]), (2, [True, True])):
        scores = end(torch.zeros(2, 4 + sampled, dtype=torch.long), torch.randn(2, 6))
        for row, is_due in zip(scores, due, strict=True):
            finite = torch.isfinite(row).nonzero().flatten().tolist()
            assert finite == ([EOS] if is_due else [token for token in range(6) if token != EOS])

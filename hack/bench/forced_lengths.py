"""Rows of `generate` that end where they are told to, and not before.

A logits processor forces a row's end id at its length and forbids it before; `generate` goes on with padding until the
longest row has ended. That is what it does with any batch, and what it costs is measured.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import LogitsProcessor

from hack.bench.models import EOS


class EndAt(LogitsProcessor):  # type: ignore[misc]
    """Ends each row at its length, and not before. Works in place: `generate` gives it a copy of its own."""

    def __init__(self, lengths: Sequence[int], prompt: int) -> None:
        self._lengths, self._prompt = torch.tensor(lengths), prompt

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Leaves of scores [rows, V] only the end id's where a row's last token is due; elsewhere removes just that
        one.
        """
        due = self._lengths <= input_ids.shape[1] - self._prompt + 1
        scores[:, EOS] = -torch.inf
        if due.any():
            scores[due] = -torch.inf
            scores[due, EOS] = 0.0
        return scores

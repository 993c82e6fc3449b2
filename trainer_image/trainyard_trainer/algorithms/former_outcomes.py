"""Reads what an update measured from checkpoints of releases that named its numbers otherwise.

Place in the data's way: between stations 9 and 8. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from trainyard_trainer.numbers import Kind, Number

_OF_UPDATE: Final = {
    "loss": ("loss", Kind.MEAN),
    "grad_norm": ("grad_norm", Kind.MEAN),
    "skipped": ("skipped_updates", Kind.SUM),
    "out_of_memory": ("out_of_memory", Kind.SUM),
    "policy_tokens": ("trained_tokens", Kind.SUM),
    "sampler_gap": ("sampling_logp_difference/max", Kind.MAX),
}
_OF_TOKENS: Final = {
    "entropy": "entropy",
    "kl": "kl",
    "clip_low": "clip_ratio/low_mean",
    "clip_high": "clip_ratio/high_mean",
    "sampler_gap_mean": "sampling_logp_difference/mean",
}
"""Means over policy tokens, which were kept as such beside the number of tokens."""


def numbers_of_former(state: Mapping[str, Any]) -> dict[str, Number]:
    """Reads the numbers that a former checkpoint keeps of one update.

    Raises:
        ValueError: the state is of another layout.
    """
    if set(state) != {*_OF_UPDATE, *_OF_TOKENS}:
        raise ValueError(f"an update in a checkpoint: has unknown fields; got {sorted(state)}")
    tokens = float(state["policy_tokens"])
    found = {
        name: Number(kind, float(state[old])) for old, (name, kind) in _OF_UPDATE.items() if state[old] is not None
    }
    for old, name in _OF_TOKENS.items():
        if state[old] is not None:
            found[name] = Number(Kind.MEAN, float(state[old]) * tokens, tokens)
    return found

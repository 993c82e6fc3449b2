"""Every random number of a run, as a function of a key: no generator is carried along, none is shared.

Place in the data's way: stations 4 and 5. Philox is counter-based: the key names the stream, the counter the place in
it, so a draw doesn't depend on what was drawn before, on batch order, slot, rank, or on a resume in between. Two
streams never overlap, for no two share key and counter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

_PER_BLOCK = 4
"""Philox4x64 gives four 64-bit words for each value of its counter."""


class Stream(IntEnum):
    """Says what a stream of random numbers is for; another value changes every number of its stream."""

    TRAINING_TOKENS = 1
    EVALUATION_TOKENS = 2
    TRAINING_QUESTIONS = 3
    HELD_OUT_QUESTIONS = 4
    DEMONSTRATIONS = 5
    MINIBATCHES = 6
    VALIDATION_TOKENS = 7
    VALIDATION_QUESTIONS = 8
    SELF_CHECK = 9


@dataclass(frozen=True, slots=True)
class StreamKey:
    """Names a stream: the run's seed, its purpose, and whose it is, as integers from 0, below 2**64."""

    seed: int
    stream: Stream
    step: int = 0
    prompt: int = 0
    sample: int = 0


def generator(key: StreamKey, *, block: int = 0) -> np.random.Generator:
    """Makes a numpy generator at the start of a stream, or `block` counter values further on."""
    counter = [block, key.sample, key.prompt, key.step]
    return np.random.Generator(np.random.Philox(key=[key.seed, int(key.stream)], counter=counter))


def uniforms(key: StreamKey, start: int, count: int) -> NDArray[np.float64]:
    """Draws numbers `start` to `start + count` of a stream, uniform in [0, 1); shape [count].

    Number i is the same whether it is drawn alone or with others.
    """
    block, skipped = divmod(start, _PER_BLOCK)
    return generator(key, block=block).random(skipped + count)[skipped:]

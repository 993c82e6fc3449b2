"""Random numbers are functions of their key."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainyard_trainer.randomness import Stream, StreamKey, uniforms

KEY = StreamKey(seed=5, stream=Stream.TRAINING_TOKENS, step=3, prompt=2, sample=1)


@given(start=st.integers(0, 50), count=st.integers(1, 20))
def test_a_number_does_not_depend_on_what_is_drawn_with_it(start: int, count: int) -> None:
    """Numbers start to start + count are those of one long draw."""
    assert np.array_equal(uniforms(KEY, start, count), uniforms(KEY, 0, 80)[start : start + count])


def test_every_part_of_the_key_gives_another_stream() -> None:
    """Seed, purpose, step, prompt and sample each lead to other numbers, and none leads into another's stream."""
    others = [
        StreamKey(6, Stream.TRAINING_TOKENS, 3, 2, 1),
        StreamKey(5, Stream.EVALUATION_TOKENS, 3, 2, 1),
        StreamKey(5, Stream.TRAINING_TOKENS, 4, 2, 1),
        StreamKey(5, Stream.TRAINING_TOKENS, 3, 3, 1),
        StreamKey(5, Stream.TRAINING_TOKENS, 3, 2, 2),
    ]
    seen = {number for key in [KEY, *others] for number in uniforms(key, 0, 500)}
    assert len(seen) == 6 * 500


def test_numbers_are_uniform_in_the_unit_interval() -> None:
    """All lie in [0, 1), their mean and variance are those of the uniform distribution."""
    numbers = uniforms(KEY, 0, 20_000)
    assert numbers.dtype == np.float64
    assert numbers.min() >= 0.0
    assert numbers.max() < 1.0
    assert abs(numbers.mean() - 0.5) < 0.01
    assert abs(numbers.var() - 1 / 12) < 0.005


def test_largest_seed_of_the_api_works() -> None:
    """The API allows seeds up to 2**53."""
    assert uniforms(StreamKey(2**53, Stream.DEMONSTRATIONS), 0, 1).shape == (1,)

"""Fuzzing finds what is there, the smallest case of it, and the same again by its seed."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from hack.fuzz.kind import BrokenPromiseError, Kind, promise
from hack.fuzz.search import search, try_fixed


def small(number: int) -> None:
    """Breaks a promise for every large number."""
    promise(number < 1000, "numbers are small")


BROKEN = Kind("broken", 200, st.integers(0, 10**6), small)
SOUND = Kind("sound", 50, st.integers(0, 999), small)


def test_a_find_is_the_smallest_and_comes_again_by_its_seed() -> None:
    """With the command that gives it."""
    first = search(BROKEN, 7, 600, lambda _: None)
    assert first is not None
    assert "example=1000," in first.trace
    assert f"--seed {first.seed} --seconds 0 broken" in str(first)
    again = search(BROKEN, first.seed, 0, lambda _: None)
    assert again is not None
    assert (again.seed, "example=1000," in again.trace) == (first.seed, True)


def test_every_input_is_told_before_it_is_tried() -> None:
    """One that ends the process is the last that was told."""
    told: list[str] = []
    assert search(SOUND, 7, 0, told.append) is None
    assert told[0] == "sound: seed 7"
    assert len(told) > 20


def test_fixed_examples_are_the_same_each_time() -> None:
    """And raise what the first one at fault raises."""
    tried: list[list[int]] = []
    for _ in range(2):
        tried.append([])
        try_fixed(Kind("kept", 30, st.integers(), tried[-1].append))
    assert tried[0] == tried[1]
    with pytest.raises(BrokenPromiseError, match="numbers are small"):
        try_fixed(BROKEN)

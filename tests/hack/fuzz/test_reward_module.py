"""The module of odd rewards does what a question says."""

from __future__ import annotations

import asyncio

import pytest

from hack.fuzz.reward_module import Lies, Unspeakable, awaits, runs
from tests.trainyard_trainer.told import said, told


def test_a_reward_returns_and_raises_what_its_question_says() -> None:
    """As a function and as a coroutine; the trajectory itself is in reach."""
    assert runs(told(said(), question="return 0.5")) == 0.5
    assert asyncio.run(awaits(told(said(), question="return trajectory.answer"))) == "7"
    with pytest.raises(KeyboardInterrupt):
        runs(told(said(), question="raise KeyboardInterrupt"))


def test_some_values_can_not_be_looked_at() -> None:
    """To read, compare or print them raises what they were given, or gives it."""
    assert float(Lies(1.0)) == 1.0
    for look in (str, len, list, float, lambda value: value.anything):
        with pytest.raises(RecursionError):
            look(Lies(RecursionError()))
    with pytest.raises(KeyboardInterrupt):
        str(Unspeakable(KeyboardInterrupt()))

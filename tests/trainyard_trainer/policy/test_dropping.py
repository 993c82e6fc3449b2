"""What a stop finds half done is finished or dropped: whichever is shorter, and in time for a save."""

from __future__ import annotations

import math

import pytest
import torch

from tests.trainyard_trainer.clock import Clock
from trainyard_trainer.errors import DroppedError
from trainyard_trainer.policy import dropping
from trainyard_trainer.policy.dropping import Passing, drops
from trainyard_trainer.stop import NeverStopped

CPU = torch.device("cpu")


class Asked(NeverStopped):
    """A stop that was asked for, with so much of a grace of 100 seconds left."""

    grace_seconds = 100.0

    def __init__(self, left: float = 100.0) -> None:
        self._left = left

    def requested(self) -> bool:
        return True

    def seconds_left(self) -> float:
        return self._left


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """In the place of a real one."""
    clock = Clock()
    monkeypatch.setattr(dropping, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("cost", "left", "affordable", "dropped"),
    [(3, 4, 50, True), (4, 3, 50, False), (4, 4, 50, False), (40, 30, 20, True), (0, 1, 50, True), (9, 0, -1, True)],
)
def test_the_shorter_is_done_if_it_may_take_that_long(cost: int, left: int, affordable: int, dropped: bool) -> None:
    """Of two that take the same, the one that keeps the work."""
    assert drops(cost, left, affordable) is dropped


@pytest.mark.parametrize(("done", "left", "dropped"), [(0, 100, True), (40, 60, True), (60, 40, False)])
def test_passes_are_weighed_by_their_tokens(clock: Clock, done: int, left: int, dropped: bool) -> None:
    """Those to come take as long for each token as those done; before the first none is begun."""
    passing = Passing(Asked(), CPU)
    clock.now += done / 10
    if not dropped:
        return passing.heed(done, left)
    with pytest.raises(DroppedError) as error:
        passing.heed(done, left)
    assert error.value.seconds == pytest.approx(done / 10)
    return None


def test_what_does_not_fit_into_the_grace_is_dropped_though_most_of_it_is_done(clock: Clock) -> None:
    """Half of the grace is for saving."""
    passing = Passing(Asked(left=55.0), CPU)
    clock.now += 90
    with pytest.raises(DroppedError):
        passing.heed(90, 10)
    Passing(Asked(left=70.0), CPU).heed(1, 1)


def test_passes_that_begin_again_cost_what_the_first_ones_took(clock: Clock) -> None:
    """After an out-of-memory error the rate is that of the new, smaller passes."""
    passing = Passing(Asked(), CPU)
    clock.now += 8
    passing.begin_again()
    clock.now += 1
    passing.heed(10, 90)
    clock.now += 1
    with pytest.raises(DroppedError):
        passing.heed(10, 90)


def test_what_was_paid_for_is_finished_while_there_is_time(clock: Clock) -> None:
    """Scores of rollouts: the rollouts would be lost with them."""
    clock.now += 1
    Passing(Asked(), CPU, math.inf).heed(0, 1000)
    with pytest.raises(DroppedError):
        Passing(Asked(left=50.0), CPU, math.inf).heed(0, 1000)


def test_nobody_who_asks_for_nothing_is_dropped() -> None:
    """And where nobody kills, all that is worth it may be finished."""
    Passing(NeverStopped(), CPU).heed(0, 100)
    forever = Asked(left=math.inf)
    forever.grace_seconds = math.inf
    Passing(forever, CPU, math.inf).heed(0, 100)

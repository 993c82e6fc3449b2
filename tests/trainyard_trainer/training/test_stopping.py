"""Work that a stop meets is dropped, and what was there before is saved, also where that work doesn't come back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.trainyard_trainer import small
from tests.trainyard_trainer.small import Outside
from trainyard_trainer.errors import DroppedError, StoppedError
from trainyard_trainer.sinks import SavedCheckpoint
from trainyard_trainer.training.stopping import abandonable, droppable, stopped_at, unsaved
from trainyard_trainer.training.train_state import TrainState


def drop() -> None:
    """Work that asks whether to stop."""
    raise DroppedError


SAVED = SavedCheckpoint(7, "file:///x/7/", "sha256:" + "0" * 64, 1, {}, None)


class Bounded(Outside):
    """A stop that keeps what a block is bounded by."""

    within: float = -1.0
    end: Callable[[], object] = staticmethod(lambda: None)

    @contextlib.contextmanager
    def heeded_within(self, seconds: float, end: Callable[[], object]) -> Iterator[None]:
        self.within, self.end = seconds, end
        yield


@pytest.mark.parametrize("newest", [None, SAVED])
def test_with_nothing_to_save_a_stop_ends_the_run_at_once_and_names_what_there_is(
    newest: SavedCheckpoint | None,
) -> None:
    """Before the work, in its middle, and where it hangs."""
    named = (0, None) if newest is None else (7, "file:///x/7/")
    for asked, work in ((True, pytest.fail), (False, drop)):
        with pytest.raises(StoppedError) as stop, unsaved(Outside(stop_when=lambda _, asked=asked: asked), newest):
            work()
        assert (stop.value.last_step, stop.value.committed_uri, stop.value.dropped_seconds) == (*named, 0.0)
    bounded = Bounded()
    with unsaved(bounded, newest):
        pass
    with pytest.raises(StoppedError) as stop:
        bounded.end()
    assert (stop.value.last_step, stop.value.committed_uri) == named
    lacking = "" if newest is not None else ", without a checkpoint"
    assert str(stopped_at(newest)) == f"stopped on request after step {named[0]}{lacking}"


@pytest.mark.parametrize(("seconds", "least", "most"), [(12.5, 12.5, 12.5), (None, 0.0, 600.0)])
def test_dropped_work_is_counted_and_the_state_before_it_saved(
    seconds: float | None, least: float, most: float
) -> None:
    """By whoever dropped it, or else from the beginning of the block."""
    outside, state = Outside(), TrainState(3)
    algorithm, sinks = small.algorithm(outside), outside.sinks(9)
    with pytest.raises(StoppedError) as stop, droppable(algorithm, sinks, state):
        raise DroppedError(seconds)
    assert (stop.value.last_step, stop.value.committed_uri) == (3, "file:///x/3/")
    assert least <= stop.value.dropped_seconds <= most


@pytest.mark.parametrize(("grace", "patience"), [(120.0, 5.0), (30.0, 3.0)])
def test_work_that_hangs_is_left_where_it_stands_and_the_state_saved(grace: float, patience: float) -> None:
    """After a short part of the grace; what hangs has taken these seconds."""
    bounded, state = Bounded(), TrainState(3)
    bounded.grace_seconds = grace
    with abandonable(small.algorithm(bounded), bounded.sinks(9), state):
        pass
    assert bounded.within == patience
    with pytest.raises(StoppedError) as stop:
        bounded.end()
    assert (stop.value.committed_uri, bounded.snapshots[-1].step) == ("file:///x/3/", 3)
    assert stop.value.dropped_seconds > 0

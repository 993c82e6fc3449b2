"""When checkpoints are taken, and that a stop leaves with one."""

from __future__ import annotations

import pytest

from tests.trainyard_trainer import small
from tests.trainyard_trainer.small import Outside
from trainyard_trainer.errors import StoppedError
from trainyard_trainer.training.saving import finish, is_due, stop_here, stop_if_asked
from trainyard_trainer.training.train_state import TrainState


def test_a_checkpoint_is_due_every_so_many_steps() -> None:
    """Not before the first; the last is somebody else's business."""
    assert [step for step in range(26) if is_due(step, 10)] == [10, 20]


def test_a_stop_saves_the_state_and_names_it() -> None:
    """The step, its measurements, and the committed folder."""
    outside = Outside()
    with pytest.raises(StoppedError) as stop:
        stop_here(small.algorithm(outside), outside.sinks(steps=9), TrainState(3, metrics={"reward_mean": "0.500000"}))
    assert (stop.value.last_step, stop.value.committed_uri) == (3, "file:///x/3/")
    assert outside.snapshots[-1].metrics == {"reward_mean": "0.500000"}
    assert outside.snapshots[-1].copy_seconds > 0


def test_a_run_without_a_commit_is_not_done() -> None:
    """Exit 0 promises a final checkpoint."""
    with pytest.raises(RuntimeError, match="committed nothing"):
        finish(Outside().sinks(steps=1))


def test_nobody_who_asks_for_nothing_is_stopped() -> None:
    """The loop goes on, and nothing is saved."""
    outside = Outside()
    stop_if_asked(small.algorithm(outside), outside.sinks(steps=9), TrainState(3))
    assert outside.snapshots == []

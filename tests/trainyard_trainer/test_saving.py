"""When checkpoints are taken, and that a stop leaves with one."""

from __future__ import annotations

import pytest

from tests.trainyard_trainer.small import Outside, policy
from trainyard_trainer.checkpoints.saving import finish, is_due, stop_here
from trainyard_trainer.errors import StoppedError
from trainyard_trainer.outlets import StepMetrics


def test_a_checkpoint_is_due_every_so_many_steps_and_after_the_last() -> None:
    """Also where the last step isn't a multiple."""
    assert [step for step in range(1, 26) if is_due(step, 10, 25)] == [10, 20, 25]


def test_a_stop_saves_the_state_and_names_it() -> None:
    """The step, its measurements, and the committed folder."""
    outside = Outside()
    with pytest.raises(StoppedError) as stop:
        stop_here(policy(), 3, StepMetrics("step", 2, 3, {"reward_mean": 0.5}), outside.outlets(steps=9))
    assert (stop.value.last_step, stop.value.committed_uri) == (3, "file:///x/3/")
    assert outside.snapshots[-1].metrics == {"reward_mean": "0.500000"}


def test_a_run_without_a_commit_is_not_done() -> None:
    """Exit 0 promises a final checkpoint."""
    with pytest.raises(RuntimeError, match="committed nothing"):
        finish(Outside().outlets(steps=1))

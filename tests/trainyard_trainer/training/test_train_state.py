"""Where a run stands survives a checkpoint, to the bit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from trainyard_trainer.algorithms.scored_batch import ScoredBatch
from trainyard_trainer.algorithms.sft import Demonstrations
from trainyard_trainer.evaluation.early_stopping import ValidationHistory, observed
from trainyard_trainer.numbers import largest, mean, total
from trainyard_trainer.training.train_state import TrainState
from trainyard_trainer.trajectory import Segment, Trajectory, TrajectoryId, TrajectoryStatus

ROLLED_OUT = Trajectory(
    id=TrajectoryId("run-1", 3, 0, 1),
    group="3/0",
    task="calculator",
    question="Q10+10;",
    expected="00020",
    status=TrajectoryStatus.OK,
    segments=(Segment((1, 2), (False, True), (float("-inf"), -0.1), (7, 7)),),
    turns=(),
    started_at=datetime(2026, 1, 1, tzinfo=UTC),
    duration_seconds=0.1,
    total_reward=1.0,
    advantage=1 / 3,
)
OUTCOME = {"loss": mean(0.1), "sampling_logp_difference/max": largest(1e-6), "skipped_updates": total(1.0)}


def stored(position: TrainState, folder: Path) -> TrainState:
    """The position after a way through a file that is read without running code."""
    torch.save(position.to_state(), folder / "state.pt")
    return TrainState.from_state(torch.load(folder / "state.pt", weights_only=True), ScoredBatch.from_state)


def test_a_position_between_two_updates_comes_back_as_it_was(tmp_path: Path) -> None:
    """The scored batch with its updates, validation so far, the measurement before."""
    batch = ScoredBatch(3, 7, (ROLLED_OUT,), (((-1.0, -0.1),),), None, (OUTCOME, OUTCOME))
    history = observed(observed(ValidationHistory(), 1, 0.5), 2, 0.25)
    position = TrainState(3, batch, {"reward_mean": "0.5"}, history, {"success_rate": 0.25}, "0a1b")
    back = stored(position, tmp_path)
    assert back == position
    assert (back.step, back.updates, back.validation.waited) == (3, 2, 1)


def test_a_batch_that_is_drawn_anew_is_no_part_of_the_state(tmp_path: Path) -> None:
    """Such a state is that of the step's start, in whose name it is saved."""
    position = TrainState(3, Demonstrations(()))
    assert position.updates is None
    assert stored(position, tmp_path) == replace(position, batch=None)


def test_scored_rollouts_are_part_of_the_state_before_their_first_update(tmp_path: Path) -> None:
    """They are paid for."""
    position = TrainState(3, ScoredBatch(3, 7, (ROLLED_OUT,)))
    assert position.updates == 0
    assert stored(position, tmp_path) == position


def test_a_finished_step_has_no_batch() -> None:
    """The next rollout comes."""
    position = TrainState(3, ScoredBatch(3, 7, (ROLLED_OUT,), outcomes=(OUTCOME,)))
    position.finish_step({"loss": "0.1"})
    assert (position.step, position.batch, position.updates, position.metrics) == (4, None, None, {"loss": "0.1"})


def test_a_state_of_another_layout_is_refused() -> None:
    """Another version of the trainer wrote it: going on from a guess would not be exact."""
    with pytest.raises(ValueError, match="a train state has the members"):
        TrainState.from_state({"step": 3}, ScoredBatch.from_state)

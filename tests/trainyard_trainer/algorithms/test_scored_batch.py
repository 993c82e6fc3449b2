"""A scored batch comes back from a checkpoint as it was."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainyard_trainer.trajectories import START, policy_turn, segment, trajectory
from trainyard_trainer.algorithms.scored_batch import ScoredBatch
from trainyard_trainer.algorithms.trajectory_state import trajectory_from_state, trajectory_to_state
from trainyard_trainer.numbers import largest, mean, total
from trainyard_trainer.trajectory import CallOutcome, FinishReason, Role, Sampling, Turn

SPOKEN = replace(
    policy_turn(1, 3),
    sampling=Sampling(0.7, 16, (2, 5), top_k=3, top_p=0.9),
    finish_reason=FinishReason.STOP,
    calls=(CallOutcome("1+1", "2", ok=True), CallOutcome("1+", "error: ü", ok=False)),
    tool_result="2",
)
FULL = trajectory(
    0.1 + 0.2,
    segments=[
        segment(2, advantages=(0.0, 1 / 3, -0.2), support=(None, (1, 4, 9), None)),
        segment(1, parent=0, fork_at=2, version=3),
    ],
    turns=(Turn(0, 0, 1, Role.PROMPT, "Frage: ü?", START, 0.0), SPOKEN),
    rewards={"exact": 0.3, "length": 1e-17},
    turn_rewards=(0.1, 0.2),
    normalised_reward=0.1,
    advantage=1 / 3,
    answer="2",
    truncated_reason="turns",
)
FAILED = trajectory(sample=1, error="it broke", segments=[])
OUTCOME = {"loss": mean(0.5), "grad_norm": mean(1 / 3), "kl": mean(0.1, 3.0), "difference/max": largest(1e-5)}
BATCH = ScoredBatch(
    step=7,
    version=12,
    trajectories=(FULL, FAILED),
    old_logprobs=(((math.nan, -0.1, -1e-9), (math.nan, -2.0)), ()),
    reference_logprobs=(((math.nan, -0.2, -3.0), (math.nan, -2.5)), ()),
    outcomes=(OUTCOME, {"skipped_updates": total(1.0)}),
)


def test_a_batch_comes_back_to_the_bit(tmp_path: Path) -> None:
    """Through `torch.load` without leave to run code; NaN stays NaN, tuples stay tuples."""
    torch.save({"buffer": BATCH.to_state()}, tmp_path / "state.pt")
    back = ScoredBatch.from_state(torch.load(tmp_path / "state.pt", weights_only=True)["buffer"])
    assert repr(back) == repr(BATCH)


def test_a_batch_that_needs_no_other_log_probabilities_has_none() -> None:
    """None isn't an empty list."""
    bare = ScoredBatch(0, 0, (FULL,))
    assert repr(ScoredBatch.from_state(bare.to_state())) == repr(bare)


def test_a_state_of_another_layout_is_refused() -> None:
    """With the fields that it should have: a guess would train on something else."""
    state = BATCH.to_state()
    with pytest.raises(ValueError, match="a ScoredBatch in a checkpoint: must have the fields"):
        ScoredBatch.from_state(state | {"more": 1})
    with pytest.raises(ValueError, match="median"):
        ScoredBatch.from_state(state | {"outcomes": [{"loss": ["median", 1.0, 1.0]}]})
    with pytest.raises(ValueError, match="an update in a checkpoint"):
        ScoredBatch.from_state(state | {"outcomes": [{"sampler_gap": None}]})
    with pytest.raises(ValueError, match="a Trajectory in a checkpoint"):
        trajectory_from_state({"id": {}})
    of_segment = trajectory_to_state(FULL)
    of_segment["segments"][0] = {"token_ids": ()}
    with pytest.raises(ValueError, match="a Segment in a checkpoint"):
        trajectory_from_state(of_segment)
    of_call = trajectory_to_state(FULL)
    del of_call["turns"][1]["calls"][0]["ok"]
    with pytest.raises(ValueError, match="a CallOutcome in a checkpoint"):
        trajectory_from_state(of_call)

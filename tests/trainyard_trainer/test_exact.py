"""The reward `exact`."""

from __future__ import annotations

import pytest

from tests.trainyard_trainer.trajectories import trajectory
from trainyard_trainer.rewards.exact import exact


@pytest.mark.parametrize(("answer", "reward"), [("00020", 1.0), ("20", 0.0), ("00021", 0.0), (None, 0.0)])
def test_only_the_expected_answer_is_rewarded(answer: str | None, reward: float) -> None:
    """Character by character; no answer is no reward."""
    assert exact(trajectory(answer=answer, expected="00020")) == reward

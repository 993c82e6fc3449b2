"""The fuzzing of rewards finds a step that isn't scored as it must be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from hack.fuzz import rewards
from hack.fuzz.kind import BrokenPromiseError
from hack.fuzz.rewards import Scored, check
from trainyard_trainer.trajectory import Trajectory, TrajectoryStatus

STEP = Scored(("return 0.5", "raise ValueError('no')"), "7", "7")


def _all_right(one: Trajectory) -> Trajectory:
    return replace(one, total_reward=2.0)


def _failed(one: Trajectory, **changes: Any) -> Trajectory:
    return replace(one, **{"status": TrajectoryStatus.FAILED_REWARD, "error": "reward r: no", **changes})


@pytest.mark.parametrize(
    ("made", "promise"),
    [
        (_failed, "one reward's fault isn't another's"),
        (lambda one: replace(one, total_reward=math.inf), "a reward is finite"),
        (lambda one: _failed(one, error="no"), "an error names its reward"),
        (lambda one: _failed(one, status=TrajectoryStatus.OK), "a reward without a number fails"),
    ],
)
def test_a_planted_fault_is_found(
    made: Callable[[Trajectory], Trajectory], promise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of the real scoring, which `test_fuzz_finds_nothing` tries; what is good passes."""

    def planted(trajectories: Sequence[Trajectory], *_: object) -> list[Trajectory]:
        return [made(one) for one in trajectories]

    monkeypatch.setattr(rewards, "_rewards", lambda: ((), ()))
    monkeypatch.setattr(rewards, "score", lambda trajectories, *_: [_all_right(one) for one in trajectories])
    check(STEP)
    monkeypatch.setattr(rewards, "score", planted)
    with pytest.raises(BrokenPromiseError, match=promise):
        check(STEP)

"""A user's reward may fail one trajectory; only if it fails a whole step the run ends, and says where."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.trainyard_trainer.small import trajectory
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError, TrainerError
from trainyard_trainer.registry import WeightedReward
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.trajectory import Trajectory, TrajectoryStatus

STEP = [trajectory(sample=0, answer="7"), trajectory(sample=1, answer=None)]


def reward(function: Callable[[Trajectory], Any], weight: float = 1.0, name: str = "mine") -> WeightedReward:
    """A reward as the registry gives it."""
    return WeightedReward(name, weight, function, "spec.task.rewards[0].name")


def if_answered(value: Any) -> Callable[[Trajectory], Any]:
    """A reward of 1.0 for an answer, `value` for none."""
    return lambda trajectory: 1.0 if trajectory.answer else value


def broken(trajectory: Trajectory) -> float:
    """A reward that always raises."""
    return {}[trajectory.question]


def test_total_is_the_weighted_sum_of_raw_rewards() -> None:
    """Raw rewards stay as they were given; weights may be negative."""
    found = score(STEP, [reward(lambda _: 2, 1.5, "a"), reward(if_answered(0.0), -1.0, "b")])
    assert [t.rewards for t in found] == [{"a": 2.0, "b": 1.0}, {"a": 2.0, "b": 0.0}]
    assert [t.total_reward for t in found] == [2.0, 3.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "1.0", [1.0]])
def test_what_is_no_finite_number_fails_that_trajectory_only(value: Any) -> None:
    """The others are scored as ever; the failed one keeps its other raw rewards, and says what was returned."""
    good, failed = score(STEP, [reward(if_answered(value)), reward(lambda _: 0.5, name="other")])
    assert (good.status, good.total_reward) == (TrajectoryStatus.OK, 1.5)
    assert (failed.status, failed.total_reward, failed.scored) == (TrajectoryStatus.FAILED_REWARD, None, False)
    assert math.isnan(failed.rewards["mine"])
    assert failed.rewards["other"] == 0.5
    assert repr(value) in failed.error


@pytest.mark.parametrize(
    ("value", "weight"), [(1e308, 100.0), (-1e308, 100.0), (10**400, 1.0)], ids=["large", "small", "no float"]
)
def test_a_number_too_large_fails_that_trajectory_only(value: float, weight: float) -> None:
    """An infinite sum would turn its whole group's statistics into NaN; an integer may not even be a float."""
    good, failed = score(STEP, [reward(if_answered(value), weight), reward(lambda _: 0.5, name="other")])
    assert (good.status, good.total_reward) == (TrajectoryStatus.OK, weight + 0.5)
    assert (failed.status, failed.total_reward) == (TrajectoryStatus.FAILED_REWARD, None)


def test_a_reward_that_ends_the_process_fails_that_trajectory_only() -> None:
    """A `sys.exit(0)` in a user's code would look like a run that is done."""
    good, failed = score(STEP, [reward(lambda t: 1.0 if t.answer else sys.exit(0))])
    assert good.total_reward == 1.0
    assert "SystemExit: 0" in failed.error


def test_what_a_reward_says_is_kept_in_bounds() -> None:
    """A row of the ledger can't be blown up by a value or by an exception's text."""

    def shouts(_: Trajectory) -> float:
        raise ValueError("x" * 10**6)

    for loud in (if_answered("x" * 10**6), lambda t: 1.0 if t.answer else shouts(t)):
        assert len(score(STEP, [reward(loud)])[1].error) < 2000


def test_a_reward_that_raises_for_one_fails_that_one() -> None:
    """The error names exception, message and place."""
    _, failed = score(STEP, [reward(lambda t: len(t.answer))])
    assert failed.status is TrajectoryStatus.FAILED_REWARD
    assert "TypeError" in failed.error
    assert f"{__file__}:" in failed.error


def test_a_whole_step_without_a_reward_is_refused_and_names_the_users_line() -> None:
    """Field, reward, exception type, message, file and line are all in the sentence."""
    with pytest.raises(RefusedError) as refusal:
        score(
            STEP, [reward(lambda _: 1.0, name="fine"), WeightedReward("bad", 1.0, broken, "spec.task.rewards[1].name")]
        )
    error = refusal.value
    assert error.reason is TerminationReason.REWARD_FAILED
    assert (error.field_path, error.value) == ("spec.task.rewards[1].name", "bad")
    line = broken.__code__.co_firstlineno + 2
    assert f"KeyError: 'Q10+10;' at {__file__}:{line}" in str(error)


def test_nan_for_a_whole_step_is_refused_and_names_the_function() -> None:
    """NaN has no traceback, so the function's own place is named."""
    with pytest.raises(RefusedError, match=r"returned nan, not a finite number at .*test_scoring\.py:\d+; got 'mine'"):
        score(STEP, [reward(lambda _: math.nan)])


def test_failed_environments_are_not_scored_and_not_the_rewards_fault() -> None:
    """Their rewards aren't asked; a step of nothing else is an error of its own, with the first cause."""
    failed = trajectory(status=TrajectoryStatus.FAILED_ENVIRONMENT, error="OSError: no tool")
    assert score([failed, STEP[0]], [reward(lambda _: 1.0)])[0] == failed
    with pytest.raises(TrainerError, match="OSError: no tool") as crash:
        score([failed], [reward(lambda _: 1.0)])
    assert not isinstance(crash.value, RefusedError)


def test_truncated_trajectories_are_scored() -> None:
    """Being cut off is no excuse."""
    (found,) = score([trajectory(status=TrajectoryStatus.TRUNCATED)], [reward(lambda _: 0.0)])
    assert (found.status, found.total_reward) == (TrajectoryStatus.TRUNCATED, 0.0)

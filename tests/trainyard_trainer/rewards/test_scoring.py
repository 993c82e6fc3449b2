"""A user's reward may fail one trajectory; only if it fails a whole step the run ends, and says where."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from numbers import Number
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainyard_trainer.told import said, told
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.rewards.reward import WeightedReward
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.trajectory import Trajectory, TrajectoryId, TrajectoryStatus

STEP = [told(said(), answer="7"), told(said(), answer=None)]


class OwnError(BaseException):
    """No Exception at all."""


def reward(function: Callable[[Trajectory], Any], weight: float = 1.0, name: str = "mine") -> WeightedReward:
    """A reward as the registry gives it."""
    return WeightedReward(name, weight, "spec.task.rewards[0].name", function)


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


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, None, "1.0", [], [1.0, 1.0], [math.nan], {}, 1j, np.array([1.0])]
)
def test_what_is_no_finite_number_fails_that_trajectory_only(value: Any) -> None:
    """The others are scored as ever; the failed one keeps its other raw rewards, and says what was returned."""
    good, failed = score(STEP, [reward(if_answered(value)), reward(lambda _: 0.5, name="other")])
    assert (good.status, good.total_reward) == (TrajectoryStatus.OK, 1.5)
    assert (failed.status, failed.total_reward, failed.scored) == (TrajectoryStatus.FAILED_REWARD, None, False)
    assert math.isnan(failed.rewards["mine"])
    assert failed.rewards["other"] == 0.5
    assert repr(value) in failed.error


@pytest.mark.parametrize(
    ("value", "weight"),
    [(1e308, 1.0), (1e308, 100.0), (-1e308, 100.0), ([1e308], 1.0), (10**400, 1.0)],
    ids=["large", "large sum", "small", "of a turn", "no float"],
)
def test_a_number_too_large_fails_that_trajectory_only(value: float, weight: float) -> None:
    """Its group's mean or deviation would be no float; an integer may not even be one itself."""
    good, failed = score(STEP, [reward(if_answered(value), weight), reward(lambda _: 0.5, name="other")])
    assert (good.status, good.total_reward) == (TrajectoryStatus.OK, weight + 0.5)
    assert (failed.status, failed.total_reward) == (TrajectoryStatus.FAILED_REWARD, None)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, OwnError])
def test_whatever_a_reward_raises_fails_that_trajectory_only(kind: type[BaseException]) -> None:
    """A `sys.exit(0)` in a user's code would look like a run that is done."""

    def ends(_: Trajectory) -> float:
        raise kind(0)

    good, failed = score(STEP, [reward(lambda t: 1.0 if t.answer else ends(t))])
    assert good.total_reward == 1.0
    assert f"raised {kind.__name__}: 0 at {__file__}:{ends.__code__.co_firstlineno + 1}" in failed.error


class Odd:
    """A value each of whose members raises, or is odd in another way."""

    def __init__(self, **members: Any) -> None:
        self._members = members

    def __getattr__(self, name: str) -> Any:
        raise OwnError

    def __float__(self) -> float:
        raise OwnError

    __repr__ = __eq__ = __iter__ = __len__ = __bool__ = __index__ = __float__  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


class OddFloat(float):
    """A float that raises when it is asked for its value, or for its class."""

    @property
    def __class__(self) -> Any:
        raise OwnError

    __float__ = __abs__ = Odd.__float__  # type: ignore[assignment]


class ShortList(list):  # type: ignore[type-arg]
    """A list that has one number whoever asks, and holds others."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Any:
        return iter([1.0])

    def copy(self) -> Any:
        raise OwnError

    __getitem__ = copy  # type: ignore[assignment]


class Growing:
    """A number that makes the list longer which it stands in."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def __float__(self) -> float:
        self._values.append(self)
        return 1.0


Number.register(Growing)
growing: list[Any] = []
growing.append(Growing(growing))


@pytest.mark.parametrize(
    ("value", "said_of_it"),
    [
        (np.array([1.0]), "array"),
        (torch.tensor([1.0]), "tensor"),
        (torch.empty((), device="meta"), "tensor"),
        (np.ma.masked, "masked"),
        (np.datetime64(5, "ns"), "datetime64"),
        (np.timedelta64(5, "ns"), "timedelta64"),
        (np.array("1.0"), "array"),
        (np.str_("1.0"), "1.0"),
        (Decimal("sNaN"), "sNaN"),
        (Decimal("1e400"), "1E"),
        (10**400, "1000"),
        (10**5000, "a value of type int"),
        (Fraction(10**400), "Fraction"),
        (lambda: None, "function"),
        ("half \ud83d", "half"),
        ([[1.0]], r"\[\[1.0\]\]"),
        ([None], r"\[None\]"),
        (["1.0"], "1.0"),
        (ShortList(), r"\[\]"),
        (ShortList([1.0, 2.0]), r"\[1.0, 2.0\]"),
        ((1.0, 2.0), r"\(1.0, 2.0\)"),
        ({"reward": 1.0}, "reward"),
        ({1.0}, "1.0"),
        ((number for number in [1.0]), "generator"),
        (object(), "object"),
        (int, "int"),
    ],
    ids=range(26),
)
def test_what_is_no_number_is_told_with_its_place(value: Any, said_of_it: str) -> None:
    """What was returned, what was wanted and where; never a traceback, and a row of the ledger can hold it."""
    function = if_answered(value)
    _, failed = score(STEP, [reward(function)])
    place = f"{__file__}:{function.__code__.co_firstlineno}"
    assert re.search(f"mine returned .*{said_of_it}.*, not a finite number of at most .* at {place}", failed.error)
    failed.error.encode()


def test_values_that_cant_be_looked_at_are_no_numbers() -> None:
    """Whatever they raise when they are read, compared, converted or written."""
    for value in (Odd(), [Odd()], OddFloat(1.0), [OddFloat(1.0)], (Odd(),)):
        _, failed = score(STEP, [reward(if_answered(value))])
        assert re.search(r"mine returned .*, not a finite number .* at .*test_scoring\.py:\d+", failed.error)


def test_what_a_list_holds_counts_whatever_it_says() -> None:
    """Its numbers, as they were when it was returned."""
    for value in (ShortList([1.0]), growing):
        assert score(STEP, [reward(if_answered(value))])[1].total_reward == 1.0


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
    bad = WeightedReward("bad", 1.0, "spec.task.rewards[1].name", broken)
    with pytest.raises(RefusedError) as refusal:
        score(STEP, [reward(lambda _: 1.0, name="fine"), bad])
    error = refusal.value
    assert error.reason is TerminationReason.REWARD_FAILED
    assert (error.field_path, error.value) == ("spec.task.rewards[1].name", "bad")
    line = broken.__code__.co_firstlineno + 2
    assert f"KeyError: 'Q10+10;' at {__file__}:{line}" in str(error)


def test_nan_for_a_whole_step_is_refused_and_names_the_function() -> None:
    """NaN has no traceback, so the function's own place is named."""
    with pytest.raises(
        RefusedError, match=r"not a finite number of at most 1e\+100 at .*test_scoring\.py:\d+; got 'mine'"
    ):
        score(STEP, [reward(lambda _: math.nan)])


def test_failed_environments_are_not_scored_and_not_the_rewards_fault() -> None:
    """Their rewards aren't asked; a step of nothing else is an error of its own, with the first cause."""
    failed = told(said(), status=TrajectoryStatus.FAILED_ENVIRONMENT, error="OSError: no tool")
    assert score([failed, STEP[0]], [reward(lambda _: 1.0)])[0] == failed
    with pytest.raises(RefusedError, match="the first environment raised OSError: no tool") as refusal:
        score([failed], [reward(lambda _: 1.0)])
    assert refusal.value.reason is TerminationReason.ENVIRONMENT_FAILED
    assert (refusal.value.field_path, refusal.value.value) == ("spec.task.name", "calculator")


@pytest.mark.parametrize(
    "value",
    [1, True, np.float32(1), np.int64(1), np.bool_(True), np.array(1.0), torch.tensor(1.0), Decimal(1), Fraction(1)],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_number_counts(value: Any) -> None:
    """A user's NumPy scalar, tensor, Decimal or boolean is a number as good as a float."""
    (found,) = score([STEP[0]], [reward(lambda _: value)])
    assert (found.total_reward, type(found.total_reward)) == (1.0, float)


def test_rewards_by_turn_add_up_to_the_total() -> None:
    """What is given for the whole trajectory counts to its last turn."""
    (found,) = score(
        [told(said(), said(), said())],
        [reward(lambda _: [1.0, 0.0, np.float64(1)], 0.5, "by turn"), reward(lambda _: 2.0, 1.0, "whole")],
    )
    assert found.rewards == {"by turn": 2.0, "whole": 2.0}
    assert found.turn_rewards == (0.5, 0.0, 2.5)
    assert sum(found.turn_rewards) == found.total_reward == 3.0


def test_without_rewards_by_turn_there_are_none() -> None:
    """They aren't made up."""
    assert score(STEP, [reward(lambda _: 2.0)])[0].turn_rewards is None


@pytest.mark.parametrize(("failing", "refused"), [(2, False), (3, True)])
def test_more_than_the_allowed_share_of_failures_ends_the_run(failing: int, refused: bool) -> None:
    """Exactly the share may fail; rewards and environments count together, the more frequent one is named."""
    step = [told(said(), answer=str(number)) for number in range(4)]
    step[0] = told(status=TrajectoryStatus.FAILED_ENVIRONMENT, error="OSError: no tool")

    def picky(trajectory: Trajectory) -> float:
        if int(trajectory.answer or 0) < failing:
            raise ValueError("no such answer")
        return 1.0

    if not refused:
        assert sum(one.scored for one in score(step, [reward(picky)], 0.5)) == 2
        return
    with pytest.raises(RefusedError, match=r"at most the share 0\.5 of a step may fail, as .*, and 3 of 4") as refusal:
        score(step, [reward(picky)], 0.5)
    assert refusal.value.reason is TerminationReason.REWARD_FAILED
    assert f"ValueError: no such answer at {__file__}:" in str(refusal.value)


def test_a_share_of_one_still_needs_one_that_was_scored() -> None:
    """A step with nothing to learn from can't be right."""
    with pytest.raises(RefusedError, match="not one could be scored, and 2 of 2 trajectories failed"):
        score(STEP, [reward(lambda _: None)], 1.0)


def test_truncated_trajectories_are_scored() -> None:
    """Being cut off is no excuse."""
    (found,) = score([told(said(), status=TrajectoryStatus.TRUNCATED)], [reward(lambda _: 0.0)])
    assert (found.status, found.total_reward) == (TrajectoryStatus.TRUNCATED, 0.0)


def test_failures_that_are_few_enough_are_said(caplog: pytest.LogCaptureFixture) -> None:
    """How many, and the first with file and line: nobody else would notice that some answers count for nothing."""
    trajectories = [told(said("a"), id=TrajectoryId("run-1", 0, number, 0)) for number in range(4)]

    def picky(trajectory: Trajectory) -> float:
        if trajectory.id.prompt == 2:
            raise KeyError("x")
        return 1.0

    reward = WeightedReward("picky", 1.0, "spec.task.rewards[0].name", function=picky)
    with caplog.at_level(logging.WARNING):
        score(trajectories, [reward], 0.5)
    (line,) = caplog.messages
    assert line.startswith("warning: 1 of 4 trajectories failed and count for nothing; the first: reward picky raised")
    assert f"{__file__}:" in line

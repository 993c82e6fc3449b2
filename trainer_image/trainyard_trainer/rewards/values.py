"""What a reward function returned, as numbers.

Place in the data's way: station 6, in the trainer and in the worker alike. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any, Final

from trainyard_trainer.trajectory import Role, Trajectory
from trainyard_trainer.user_code import MAX_SAID

LARGEST: Final = 1e100
"""Largest size of a reward: sums and squares of larger ones may be no floats, and no group has statistics then."""


@dataclass(frozen=True, slots=True)
class RewardValue:
    """A raw reward: one finite number for the trajectory, or one for each policy turn, which add up to it."""

    total: float
    by_turn: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class NoValue:
    """A reward gave no number for a trajectory, and why: `raised ...`, `returned ...`."""

    problem: str


def read_value(returned: Any, trajectory: Trajectory) -> RewardValue | NoValue:
    """A number, or a list or tuple with one number for each policy turn.

    Numbers are Python's and Decimal, booleans, NumPy's and tensors without dimensions; never texts.
    """
    if isinstance(returned, list | tuple):
        return _by_turn(returned, trajectory)
    number = _finite(returned)
    if number is None:
        return NoValue(f"returned {_said(returned)}, not a finite number of at most {LARGEST:g}")
    return RewardValue(number)


def policy_turns(trajectory: Trajectory) -> int:
    """Number of turns that the policy wrote."""
    return sum(turn.role is Role.POLICY for turn in trajectory.turns)


def _by_turn(returned: Sequence[Any], trajectory: Trajectory) -> RewardValue | NoValue:
    turns = policy_turns(trajectory)
    numbers = [number for number in map(_finite, returned) if number is not None]
    if len(numbers) != len(returned) or not numbers or len(numbers) != turns:
        return NoValue(
            f"returned {_said(returned)}, not a finite number of at most {LARGEST:g} for each of {turns} policy turns"
        )
    return RewardValue(math.fsum(numbers), tuple(numbers))


def _finite(value: Any) -> float | None:
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        value = value.item()  # of NumPy, or a tensor
    if not isinstance(value, Number) or isinstance(value, complex):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (OverflowError, ValueError, TypeError):
        return None  # an integer may be too large for that
    return number if abs(number) <= LARGEST else None  # NaN isn't


def _said(value: Any) -> str:
    try:
        return repr(value)[:MAX_SAID]
    except (Exception, SystemExit):  # noqa: BLE001 (a user's own repr may raise anything, which is no reason to fail)
        return f"a {type(value).__name__}"

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
from trainyard_trainer.user_code import shown

LARGEST: Final = 1e100
"""Largest size of a reward: sums and squares of larger ones may be no floats, and no group has statistics then."""


@dataclass(frozen=True, slots=True)
class RewardValue:
    """Holds a raw reward: one finite number for the trajectory, or one for each policy turn, which add up to it."""

    total: float
    by_turn: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class NoValue:
    """Says why a reward gave no number for a trajectory: `raised ...`, `returned ...`."""

    problem: str


def read_value(returned: Any, trajectory: Trajectory) -> RewardValue | NoValue:
    """Reads a number, or a list or tuple with one number for each policy turn.

    Numbers are Python's and Decimal, booleans, NumPy's and tensors without dimensions; never texts. Never raises,
    whatever the value does when it is looked at.
    """
    # What lists and tuples hold, not what a class derived from them says.
    if issubclass(type(returned), list):
        return _by_turn(returned, list.copy(returned), trajectory)
    if issubclass(type(returned), tuple):
        return _by_turn(returned, list(tuple.__iter__(returned)), trajectory)
    number = _finite(returned)
    if number is None:
        return NoValue(f"returned {shown(returned)}, not a finite number of at most {LARGEST:g}")
    return RewardValue(number)


def placed(value: RewardValue | NoValue, place: str | None) -> RewardValue | NoValue:
    """Adds the place of the reward's definition to a missing value, which has no traceback."""
    return NoValue(f"{value.problem} at {place}") if isinstance(value, NoValue) and place else value


def policy_turns(trajectory: Trajectory) -> int:
    """Counts the turns that the policy wrote."""
    return sum(turn.role is Role.POLICY for turn in trajectory.turns)


def _by_turn(returned: Any, values: Sequence[Any], trajectory: Trajectory) -> RewardValue | NoValue:
    turns = policy_turns(trajectory)
    numbers = [_finite(value) for value in values] if len(values) == turns else []
    found = [number for number in numbers if number is not None]
    if not found or len(found) != turns:
        return NoValue(
            f"returned {shown(returned)}, not a finite number of at most {LARGEST:g} for each of {turns} policy turns"
        )
    return RewardValue(math.fsum(found), tuple(found))


def _finite(value: Any) -> float | None:
    try:
        return _as_float(value)
    except BaseException:  # noqa: BLE001 (a user's object may raise anything when it is read; then it is no number)
        return None


def _as_float(value: Any) -> float | None:
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):  # of NumPy, or a tensor
        if getattr(value, "mask", False) or getattr(getattr(value, "dtype", None), "kind", None) in ("m", "M"):
            return None  # a masked one and a date have an item, too
        value = value.item()
    if not isinstance(value, Number) or isinstance(value, complex):
        return None
    number = float(value)  # type: ignore[arg-type]  # an integer may be too large for that
    return number if abs(number) <= LARGEST else None  # NaN isn't

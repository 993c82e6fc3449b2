"""The reward `graded`.

Place in the data's way: station 6. Pure.
"""

from __future__ import annotations

from fractions import Fraction

from trainyard_trainer.answers import number_of, same_answer
from trainyard_trainer.trajectory import Trajectory

TOLERANCE = Fraction(1, 10)
"""Largest error, as a share of the expected number, that still counts."""


def graded(trajectory: Trajectory) -> float:
    """Returns 1.0 for the expected answer, less the farther a number is from the expected one, else 0.0.

    Within 10 % of the expected number's size it falls linearly from 1.0 to 0.5. An expected 0, and an expected answer
    that isn't a number, count only if hit exactly.
    """
    if trajectory.answer is None:
        return 0.0
    if same_answer(trajectory.answer, trajectory.expected):
        return 1.0
    answer, expected = number_of(trajectory.answer), number_of(trajectory.expected)
    if answer is None or expected is None:
        return 0.0
    error, allowed = abs(answer - expected), TOLERANCE * abs(expected)
    if error > allowed:
        return 0.0
    return float(1 - error / allowed / 2) if allowed else 1.0

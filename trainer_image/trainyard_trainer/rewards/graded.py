"""The reward `graded`.

Place in the data's way: station 6. Pure.
"""

from __future__ import annotations

import re
from decimal import Decimal, localcontext

from trainyard_trainer.trajectory import Trajectory

TOLERANCE = Decimal("0.1")
"""Largest error, as a share of the expected number, that still counts."""
_NUMBER = re.compile(r"\s*([+-]?(?:\d{1,60}(?:\.\d{0,60})?|\.\d{1,60})(?:[eE][+-]?\d{1,3})?)\s*", re.ASCII)


def graded(trajectory: Trajectory) -> float:
    """1.0 for the expected answer; for a number close to the expected one, less the farther it is; else 0.0.

    Within 10 % of the expected number's size it falls linearly from 1.0 to 0.5. An expected 0, and an expected answer
    that isn't a number, count only if hit exactly.
    """
    if trajectory.answer is None:
        return 0.0
    if trajectory.answer == trajectory.expected:
        return 1.0
    answer, expected = _number(trajectory.answer), _number(trajectory.expected)
    if answer is None or expected is None:
        return 0.0
    with localcontext(prec=130):
        error, allowed = abs(answer - expected), TOLERANCE * abs(expected)
        if error > allowed:
            return 0.0
        return float(1 - error / allowed / 2) if allowed else 1.0


def _number(text: str) -> Decimal | None:
    """A finite number in decimal notation of a sane length; None for anything else."""
    found = _NUMBER.fullmatch(text)
    return Decimal(found[1]) if found else None

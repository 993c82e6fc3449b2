"""The reward `exact`.

Place in the data's way: station 6. Pure.
"""

from __future__ import annotations

from trainyard_trainer.answers import same_answer
from trainyard_trainer.trajectory import Trajectory


def exact(trajectory: Trajectory) -> float:
    """Returns 1.0 if the answer reads the same as the expected one, else 0.0; blanks around them don't count."""
    return float(same_answer(trajectory.answer, trajectory.expected))

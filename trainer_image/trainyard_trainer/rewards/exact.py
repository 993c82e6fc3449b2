"""The reward `exact`.

Place in the data's way: station 6. Pure.
"""

from __future__ import annotations

from trainyard_trainer.answers import same_answer
from trainyard_trainer.trajectory import Trajectory


def exact(trajectory: Trajectory) -> float:
    """1.0 if a reader can't tell the answer from the expected one, else 0.0: blanks around them don't count."""
    return float(same_answer(trajectory.answer, trajectory.expected))

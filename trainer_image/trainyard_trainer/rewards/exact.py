"""The reward `exact`.

Place in the data's way: station 6. Pure.
"""

from __future__ import annotations

from trainyard_trainer.trajectory import Trajectory


def exact(trajectory: Trajectory) -> float:
    """1.0 if the answer equals the expected one character by character, else 0.0."""
    return 1.0 if trajectory.answer == trajectory.expected else 0.0

"""Rewards that a user got wrong."""

from __future__ import annotations

from trainyard_trainer.trajectory import Trajectory


def raises(trajectory: Trajectory) -> float:
    """Raises for every trajectory."""
    raise ValueError(f"no score for {trajectory.question}")


def nan(trajectory: Trajectory) -> float:
    """Gives NaN for every trajectory."""
    return float("nan") * len(trajectory.turns)

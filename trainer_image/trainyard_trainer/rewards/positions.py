"""The reward `positions`.

Place in the data's way: station 6. Pure.
"""

from __future__ import annotations

from trainyard_trainer.answers import canonical
from trainyard_trainer.trajectory import Role, Trajectory


def positions(trajectory: Trajectory) -> float:
    """Returns the share of places at which answer and expected answer have the same character, of the longer one's
    length.

    Without an answer, because a limit cut it off, what the policy said last is looked at instead.
    """
    said, expected = trajectory.answer, canonical(trajectory.expected)
    if said is None:
        said = next((turn.text for turn in reversed(trajectory.turns) if turn.role is Role.POLICY), "")
    said = canonical(said)
    longer = max(len(said), len(expected))
    same = sum(one == other for one, other in zip(said, expected, strict=False))
    return same / longer if longer else 1.0

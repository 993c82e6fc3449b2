"""The rewards `tool_success`, `verification` and `turns`: what to add to a right answer's, each with its own weight.

Place in the data's way: station 6. Pure. Written in a manifest, the usual sum is::

    rewards:
      - {name: exact}
      - {name: tool_success, weight: "0.1"}
      - {name: verification, weight: "0.05"}
      - {name: turns, weight: "-0.01"}
"""

from __future__ import annotations

from trainyard_trainer.answers import equals
from trainyard_trainer.trajectory import Role, Trajectory


def tool_success(trajectory: Trajectory) -> list[float] | float:
    """Counts the tool calls that succeeded, by policy turn."""
    said = [turn for turn in trajectory.turns if turn.role is Role.POLICY]
    return [float(sum(call.ok for call in turn.calls)) for turn in said] or 0.0


def verification(trajectory: Trajectory) -> float:
    """Returns 1.0 if the final answer equals the result of a successful tool call, as a text or by value, else 0.0."""
    results = (call.result for turn in trajectory.turns for call in turn.calls if call.ok)
    return float(any(equals(trajectory.answer, result) for result in results))


def turns(trajectory: Trajectory) -> list[float] | float:
    """Returns 1.0 for each policy turn."""
    return [1.0 for turn in trajectory.turns if turn.role is Role.POLICY] or 0.0

"""The rewards `tool_success`, `verification` and `turns`: what to add to a right answer's, each with its own weight.

Place in the data's way: station 6. Pure. Written in a manifest, the usual sum is::

    rewards:
      - {name: exact}
      - {name: tool_success, weight: "0.1"}
      - {name: verification, weight: "0.05"}
      - {name: turns, weight: "-0.01"}
"""

from __future__ import annotations

from trainyard_trainer.trajectory import Role, Trajectory


def tool_success(trajectory: Trajectory) -> list[float] | float:
    """By policy turn: 1.0 for a turn whose tool calls succeeded, all of them, else 0.0."""
    said = [float(turn.tool_ok is True) for turn in trajectory.turns if turn.role is Role.POLICY]
    return said or 0.0


def verification(trajectory: Trajectory) -> float:
    """1.0 if the final answer equals the result of a tool call that succeeded, else 0.0; once, however many do."""
    answer = trajectory.answer
    return float(answer is not None and answer.strip() in _results(trajectory))


def turns(trajectory: Trajectory) -> list[float] | float:
    """By policy turn: 1.0, so that it counts them."""
    return [1.0 for turn in trajectory.turns if turn.role is Role.POLICY] or 0.0


def _results(trajectory: Trajectory) -> set[str]:
    """Results of successful calls; those of several calls in one turn stand one to a line."""
    found: set[str] = set()
    succeeded = False
    for turn in trajectory.turns:
        succeeded = turn.tool_ok is True if turn.role is Role.POLICY else succeeded
        if succeeded and turn.tool_result is not None:
            found |= {turn.tool_result.strip(), *(line.strip() for line in turn.tool_result.splitlines())}
    return found

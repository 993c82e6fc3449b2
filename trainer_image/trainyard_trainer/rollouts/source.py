"""Defines where trajectories come from.

Place in the data's way: station 5. Values and protocols only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from trainyard_trainer.environment import Prompt
from trainyard_trainer.randomness import Stream
from trainyard_trainer.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """Says how prompts are rolled out; `max_new_tokens` is per turn, None for the task's own limit."""

    group_size: int
    temperature: float
    max_turns: int
    stream: Stream
    max_new_tokens: int | None = None
    top_k: int | None = None
    top_p: float | None = None


class RolloutSource(Protocol):
    """Gives trajectories for prompts."""

    def rollout(self, prompts: Sequence[Prompt], plan: RolloutPlan) -> Iterator[Trajectory]:
        """Yields finished, unscored trajectories, in any order.

        A source in this process gives `plan.group_size` of each prompt. One that runs ahead may give late ones, whose
        ids name earlier steps, and whose tokens were sampled by earlier versions of the policy.

        Raises:
            DroppedError: a stop was asked for.
        """

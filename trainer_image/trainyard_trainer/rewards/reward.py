"""A reward that a manifest names: its place in the sum, and who calls it.

Place in the data's way: station 6. Values only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from trainyard_trainer.rewards.values import NoValue, RewardValue
from trainyard_trainer.trajectory import Trajectory

RewardFunction = Callable[[Trajectory], Any]
"""From a finished trajectory to a number, or to a list with one for each policy turn; may be a coroutine function."""


class RewardCaller(Protocol):
    """Calls a user's rewards in another process, by name, in batches."""

    def call(
        self, timeouts: dict[str, float], trajectories: Sequence[Trajectory]
    ) -> dict[str, list[RewardValue | NoValue]]:
        """Calls each reward, named with its time-out per trajectory in seconds; returns a value for each trajectory.

        Raises:
            DroppedError: a stop was asked for.
        """

    def close(self) -> None:
        """Ends what was started; may be called again."""


@dataclass(frozen=True, slots=True)
class WeightedReward:
    """Holds a reward, its factor in the sum, and the manifest's field that named it.

    `function` is called in this process; where it is None, `caller` calls it, and each trajectory may take
    `timeout_seconds`.
    """

    name: str
    weight: float
    field_path: str
    function: RewardFunction | None = None
    caller: RewardCaller | None = None
    timeout_seconds: float = 30.0


def close_rewards(rewards: Sequence[WeightedReward]) -> None:
    """Ends the processes that rewards were called in."""
    for reward in rewards:
        if reward.caller is not None:
            reward.caller.close()

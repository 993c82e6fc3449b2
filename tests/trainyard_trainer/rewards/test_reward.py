"""Rewards that were called elsewhere are ended with the run."""

from __future__ import annotations

from trainyard_trainer.rewards.reward import WeightedReward, close_rewards


class Caller:
    """Counts how often it was ended."""

    def __init__(self) -> None:
        self.closed = 0

    def call(self, timeouts: object, trajectories: object) -> dict[str, list[object]]:  # noqa: ARG002
        """Nothing."""
        return {}

    def close(self) -> None:
        """Ended."""
        self.closed += 1


def test_every_process_is_ended_and_rewards_of_this_one_have_none() -> None:
    """Also where several rewards share one, which takes being ended again."""
    shared, own = Caller(), Caller()
    close_rewards(
        [
            WeightedReward("here", 1.0, "spec.task.rewards[0]", function=lambda _: 1.0),
            WeightedReward("first", 1.0, "spec.task.rewards[1]", caller=shared),
            WeightedReward("second", 1.0, "spec.task.rewards[2]", caller=shared),
            WeightedReward("third", 1.0, "spec.task.rewards[3]", caller=own),
        ]
    )
    assert shared.closed >= 1
    assert own.closed == 1

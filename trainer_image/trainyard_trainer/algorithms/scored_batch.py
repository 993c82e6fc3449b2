"""Holds a step's scored trajectories, with all that their updates need and how many of them are done.

Place in the data's way: between stations 7 and 8. A value only. A run that stops between two updates must keep this,
weights and optimizer, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from trainyard_trainer.algorithms.former_outcomes import numbers_of_former
from trainyard_trainer.algorithms.trajectory_state import require_fields, trajectory_from_state, trajectory_to_state
from trainyard_trainer.numbers import Numbers, numbers_from_state, numbers_to_state, total
from trainyard_trainer.trajectory import Trajectory

LogProbs = tuple[tuple[tuple[float, ...], ...], ...]
"""By trajectory, segment and token; NaN where the policy sampled nothing. A trajectory that isn't trained has ()."""

NOTHING_TO_TRAIN: Final[Numbers] = {"skipped_updates": total(0), "out_of_memory": total(0)}
"""What an update without a policy token measures: no pass is run, nothing moves, no version is counted."""


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """Holds what the updates of step `step` are made from.

    `trajectories` have their advantages. `version` is the policy's before the first update; `old_logprobs` are that
    version's, None where nobody needs them; `reference_logprobs` are the reference's, None without a penalty.
    `outcomes` has the numbers of each update done.
    """

    kept: ClassVar[bool] = True
    step: int
    version: int
    trajectories: tuple[Trajectory, ...]
    old_logprobs: LogProbs | None = None
    reference_logprobs: LogProbs | None = None
    outcomes: tuple[Numbers, ...] = ()

    @property
    def done(self) -> int:
        """Counts the updates done."""
        return len(self.outcomes)

    def to_state(self) -> dict[str, Any]:
        """Gives the batch in plain types."""
        return {
            "step": self.step,
            "version": self.version,
            "trajectories": [trajectory_to_state(trajectory) for trajectory in self.trajectories],
            "old_logprobs": self.old_logprobs,
            "reference_logprobs": self.reference_logprobs,
            "outcomes": [numbers_to_state(numbers) for numbers in self.outcomes],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ScoredBatch:
        """Reads what `to_state` gave, equal to the bit.

        Raises:
            ValueError: the state is of another layout.
        """
        require_fields(state, cls)
        return cls(
            step=state["step"],
            version=state["version"],
            trajectories=tuple(trajectory_from_state(part) for part in state["trajectories"]),
            old_logprobs=_logprobs(state["old_logprobs"]),
            reference_logprobs=_logprobs(state["reference_logprobs"]),
            outcomes=tuple(map(_outcome, state["outcomes"])),
        )


def _outcome(state: Mapping[str, Any]) -> Numbers:
    return numbers_of_former(state) if "sampler_gap" in state else numbers_from_state(state)


def _logprobs(state: Any) -> LogProbs | None:
    if state is None:
        return None
    return tuple(tuple(tuple(segment) for segment in trajectory) for trajectory in state)

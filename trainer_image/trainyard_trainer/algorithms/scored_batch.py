"""A step's scored trajectories, with all that their updates need and how many of them are done.

Place in the data's way: between stations 7 and 8. A value only. It is everything that a run which stops between two
updates must keep besides weights and optimizer; `batch_state` says how.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainyard_trainer.policy.policy import UpdateOutcome
from trainyard_trainer.trajectory import Trajectory

LogProbs = tuple[tuple[tuple[float, ...], ...], ...]
"""By trajectory, segment and token; NaN where the policy sampled nothing. A trajectory that isn't trained has ()."""


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """What the updates of step `step` are made from.

    `trajectories` have their advantages. `version` is the policy's before the first update; `old_logprobs` are that
    version's, None where nobody needs them; `reference_logprobs` are the reference's, None without a penalty.
    `outcomes` has one entry for each update done.
    """

    step: int
    version: int
    trajectories: tuple[Trajectory, ...]
    old_logprobs: LogProbs | None = None
    reference_logprobs: LogProbs | None = None
    outcomes: tuple[UpdateOutcome, ...] = ()

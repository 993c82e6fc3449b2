"""A measurement of one state of a policy: made by asking every query of a set, and kept for a comparison.

Place in the data's way: station 5, before, between and after steps. The same queries and the same random streams each
time, so that a difference is the policy's; no stream is shared with training, and nothing is learned here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter as now
from typing import Any

from trainyard_trainer.algorithms.metrics import rollout_values
from trainyard_trainer.environment import Prompt
from trainyard_trainer.evaluation.results import evaluation_values, outcomes
from trainyard_trainer.evaluation.significance import Outcome
from trainyard_trainer.randomness import Stream
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.training.components import Parts
from trainyard_trainer.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Measured:
    """What a measurement found: named numbers, and what each query gave.

    `values` are those of `evaluation_values` and `rollout_values`, the number of queries as `questions`, and what it
    took as `evaluation_seconds`.
    """

    values: Mapping[str, float]
    outcomes: Sequence[Outcome]

    def to_state(self) -> dict[str, Any]:
        """In plain types, for a checkpoint."""
        by_query = [[one.query, list(one.successes)] for one in self.outcomes]
        return {"values": dict(self.values), "outcomes": by_query}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Measured:
        """What `to_state` gave."""
        by_query = [Outcome(query, tuple(right)) for query, right in state["outcomes"]]
        return cls(state["values"], by_query)


def measure(parts: Parts, prompts: Sequence[Prompt], stream: Stream) -> tuple[Measured, list[Trajectory]]:
    """Ask every query; the measurement and the answers, in the queries' order.

    Raises:
        RolloutInterruptedError: a stop was asked for.
        RefusedError: REWARD_FAILED or ENVIRONMENT_FAILED; not one answer could be scored.
    """
    if parts.answering is None:
        raise ValueError("a run without an evaluation has no way to answer its queries")
    begun = now()
    rolled_out = parts.rollouts.rollout(prompts, replace(parts.answering, stream=stream))
    answers = score(sorted(rolled_out, key=lambda trajectory: trajectory.id), parts.rewards)
    values = rollout_values(answers) | evaluation_values(answers)
    values |= {"questions": len(prompts), "overlap": parts.questions.overlap, "evaluation_seconds": now() - begun}
    return Measured(values, outcomes(answers)), answers

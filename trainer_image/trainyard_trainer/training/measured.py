"""A measurement of one state of a policy: made by asking every question of a set, and kept for a comparison.

Place in the data's way: station 5, before, between and after steps. The same questions and the same random streams each
time, so that a difference is the policy's; no stream is shared with training, and nothing is learned here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter as now
from typing import Any

from trainyard_api.evaluation import Evaluation
from trainyard_trainer.algorithms.metrics import rollout_values
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.environment import Prompt
from trainyard_trainer.evaluation.results import evaluation_values, outcomes
from trainyard_trainer.evaluation.significance import Outcome
from trainyard_trainer.randomness import Stream
from trainyard_trainer.rewards.reward import WeightedReward
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.rollouts.source import RolloutPlan, RolloutSource
from trainyard_trainer.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Measured:
    """Holds what a measurement found: named numbers, and what each question gave.

    `values` are those of `evaluation_values` and `rollout_values`, the number of questions as `questions`, and what it
    took as `evaluation_seconds`.
    """

    values: Mapping[str, float]
    outcomes: Sequence[Outcome]

    def to_state(self) -> dict[str, Any]:
        """Writes it in plain types, for a checkpoint."""
        by_question = [[one.query, list(one.successes)] for one in self.outcomes]
        return {"values": dict(self.values), "outcomes": by_question}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Measured:
        """Reads what `to_state` wrote."""
        by_question = [Outcome(question, tuple(right)) for question, right in state["outcomes"]]
        return cls(state["values"], by_question)


@dataclass(frozen=True, slots=True)
class Exam:
    """Holds the questions that a run is measured by, and how they are answered and judged.

    Attributes:
        settings: how many, how often, and when validation ends a run.
        questions: those of the run, of which validation and test are for measuring.
        rollouts: answer them.
        plan: how; its random stream is chosen by what is measured.
        rewards: judge the answers.
    """

    settings: Evaluation
    questions: Questions
    rollouts: RolloutSource
    plan: RolloutPlan
    rewards: Sequence[WeightedReward]


def measure(exam: Exam, prompts: Sequence[Prompt], stream: Stream) -> tuple[Measured, list[Trajectory]]:
    """Asks every question; returns the measurement and the answers, in the questions' order.

    Raises:
        DroppedError: a stop was asked for.
        RefusedError: REWARD_FAILED or ENVIRONMENT_FAILED; not one answer could be scored.
    """
    begun = now()
    rolled_out = exam.rollouts.rollout(prompts, replace(exam.plan, stream=stream))
    answers = score(sorted(rolled_out, key=lambda trajectory: trajectory.id), exam.rewards)
    values = rollout_values(answers) | evaluation_values(answers)
    values |= {"questions": len(prompts), "overlap": exam.questions.overlap, "evaluation_seconds": now() - begun}
    return Measured(values, outcomes(answers)), answers

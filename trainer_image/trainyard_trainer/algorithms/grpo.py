"""Does GRPO: group relative policy optimisation (DeepSeekMath, arXiv 2402.03300).

Place in the data's way: stations 5 to 8. A step draws prompts, rolls out a group of trajectories for each, scores them,
compares each with its group, and updates the policy. Whatever it calls is a pure function, or one of the interfaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainyard_api.algorithm import GRPOConfig
from trainyard_trainer.algorithms.advantages import with_advantages
from trainyard_trainer.algorithms.base import PolicyAlgorithm
from trainyard_trainer.algorithms.metrics import grpo_values
from trainyard_trainer.algorithms.scored_batch import ScoredBatch
from trainyard_trainer.algorithms.update import prepare_batch, updates
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.reporting.progress_reporter import ProgressReporter
from trainyard_trainer.reporting.stopwatch import Stopwatch
from trainyard_trainer.rewards.reward import WeightedReward
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.rollouts.plans import training_plan
from trainyard_trainer.rollouts.source import RolloutSource
from trainyard_trainer.trajectory import Trajectory


@dataclass(frozen=True, slots=True, kw_only=True)
class GRPO(PolicyAlgorithm):
    """Trains by GRPO; refuses to go on where too many rewards fail, or three updates in a row aren't finite."""

    config: GRPOConfig
    rollouts: RolloutSource
    questions: Questions
    rewards: Sequence[WeightedReward]
    seed: int

    @property
    def steps(self) -> int:
        """Counts the steps of the run."""
        return self.config.steps

    @property
    def updates_per_step(self) -> int:
        """Counts one for each minibatch of each pass over the batch."""
        return self.config.minibatches * self.config.epochs

    def collect(self, step: int, watch: Stopwatch, progress: ProgressReporter) -> list[Trajectory]:
        """Draws, rolls out and scores."""
        progress.phase("rollout")
        prompts = self.questions.training(step, self.config.prompts_per_step)
        rolled_out = sorted(self.rollouts.rollout(prompts, training_plan(self.config)), key=lambda one: one.id)
        watch.lap("rollout")
        scored = score(rolled_out, self.rewards, float(self.config.max_failed_fraction))
        watch.lap("reward")
        return scored

    def batch(self, collected: Sequence[Trajectory], step: int) -> ScoredBatch:
        """Compares, and takes the log-probabilities that the updates need."""
        return prepare_batch(self.policy, with_advantages(collected, self.config), self.config, step=step)

    def updates(self, batch: ScoredBatch) -> Iterator[tuple[int, int, ScoredBatch]]:
        """Updates on minibatches of whole groups, in a seeded order."""
        return updates(self.policy, batch, self.config, seed=self.seed)

    def measured(
        self, batch: ScoredBatch, seconds: Mapping[str, float]
    ) -> tuple[Sequence[Trajectory], dict[str, float]]:
        """Gives all trajectories, and the numbers of rollouts, rewards, groups and updates."""
        return batch.trajectories, grpo_values(batch, seconds)

    @staticmethod
    def batch_from_state(state: Mapping[str, Any]) -> ScoredBatch:
        """Reads a scored batch as it was between two updates."""
        return ScoredBatch.from_state(state)

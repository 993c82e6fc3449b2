"""Measurements without a model: rollouts that answer as a script says, and sinks that keep what they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from tests.trainyard_trainer.trajectories import trajectory
from trainyard_api.evaluation import Evaluation
from trainyard_api.progress import Progress, ReportedEvaluation
from trainyard_trainer.data.question_sources import DrawnQuestions
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.environment import Prompt
from trainyard_trainer.randomness import Stream
from trainyard_trainer.reporting.progress_reporter import ProgressReporter
from trainyard_trainer.rewards.reward import WeightedReward
from trainyard_trainer.rollouts.source import RolloutPlan
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.stop import NeverStopped
from trainyard_trainer.tasks.calculator import CalculatorTask
from trainyard_trainer.training.measured import Exam
from trainyard_trainer.training.run_sinks import Sinks
from trainyard_trainer.trajectory import Trajectory, TrajectoryId, TrajectoryStatus

Script = Callable[[int, int, int], bool | None]
"""From the number of the measurement, of the query and of the sample to success; None fails the environment."""


class ScriptedRollouts:
    """A `RolloutSource` that gives its trajectories in reverse order."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.asked: list[tuple[tuple[Prompt, ...], RolloutPlan]] = []

    def rollout(self, prompts: Sequence[Prompt], plan: RolloutPlan) -> Iterator[Trajectory]:
        self.asked.append((tuple(prompts), plan))
        for prompt in reversed(prompts):
            for sample in range(plan.group_size):
                success = self._script(len(self.asked) - 1, prompt.index, sample)
                status = TrajectoryStatus.FAILED_ENVIRONMENT if success is None else TrajectoryStatus.OK
                yield trajectory(
                    id=TrajectoryId("run-1", prompt.step, prompt.index, sample),
                    question=prompt.question.text,
                    status=status,
                    success=success,
                )


class Told:
    """Ledger and reporter in memory."""

    def __init__(self) -> None:
        self.evaluations: list[tuple[StepMetrics, list[Trajectory], ReportedEvaluation | None]] = []
        self.reports: list[Progress] = []
        self.hurried = 0
        self.rewound: list[int] = []

    def rewind(self, finished: int) -> None:
        self.rewound.append(finished)

    def record_evaluation(
        self, metrics: StepMetrics, answers: Sequence[Trajectory], result: ReportedEvaluation | None = None
    ) -> None:
        self.evaluations.append((metrics, list(answers), result))

    def report(self, progress: Progress, *, at_once: bool = False) -> None:
        self.reports.append(progress)
        self.hurried += at_once


def sinks(told: Told) -> Sinks:
    """As the loop has them, without a checkpointer."""
    nobody: Any = NeverStopped()
    return Sinks(told, ProgressReporter(told, 10), nobody, nobody, 100)  # type: ignore[arg-type]


def learned(updates: int) -> Any:
    """An algorithm after so many updates, of which nothing else is asked."""
    return SimpleNamespace(version=updates)


def exam(script: Script, **evaluation: Any) -> tuple[Exam, ScriptedRollouts]:
    """What a run with this evaluation is measured by, and who was asked."""
    settings = Evaluation.model_validate(evaluation, extra="forbid")
    task = CalculatorTask({})
    rollouts = ScriptedRollouts(script)
    rewards = (WeightedReward("success", 1.0, "spec.task.rewards[0].name", function=lambda t: float(t.success)),)
    plan = RolloutPlan(settings.samples, 1.0, 20, Stream.EVALUATION_TOKENS)
    questions = Questions(DrawnQuestions(task, 0), task, 0, settings)
    return Exam(settings, questions, rollouts, plan, rewards), rollouts

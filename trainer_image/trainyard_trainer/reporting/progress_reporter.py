"""What the run says of itself while it goes on.

Place in the data's way: station 11, on the trainer's side. Puts a `Progress` together piece by piece and hands it to
the reporter; when it is really shown is the reporter's business.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

from trainyard_api.decimals import measured
from trainyard_api.progress import (
    Progress,
    ReportedCheckpoint,
    ReportedEvaluation,
    ReportedSampler,
    ReportedValidation,
)
from trainyard_trainer.reporting.step_line import describe_step
from trainyard_trainer.sinks import Reporter, SavedCheckpoint, StepMetrics

_log = logging.getLogger(__name__)

Phase = Literal["loading", "evaluation", "rollout", "validation", "saving", "done"]


class ProgressReporter:
    """Reports the newest progress of a run of `steps` steps."""

    def __init__(self, reporter: Reporter, steps: int) -> None:
        self._reporter = reporter
        self._steps = steps
        self._progress = Progress(step=0, steps=f"0/{steps}", percent=0)

    def phase(self, phase: Phase) -> None:
        """Shows what the run is doing now."""
        self._show(phase=phase)

    def updating(self, done: int, count: int) -> None:
        """Shows which of the step's updates comes now, given those done."""
        self._show(phase=f"update {min(done + 1, count)} of {count}")

    def resumed(self, finished: int) -> None:
        """Shows that the run goes on after `finished` steps."""
        self._show(**self._finished(finished))

    def step_done(self, finished: int, metrics: StepMetrics) -> None:
        """Shows that `finished` steps are finished, and what the latest measured."""
        _log.info("%s", describe_step(metrics))
        values = metrics.values
        seconds = values.get("step_seconds", 0.0)
        measurements = {"reward": values.get("reward_mean"), "loss": values.get("loss")}
        shown: dict[str, Any] = {
            name: self._decimal(value) for name, value in measurements.items() if value is not None
        }
        self._show(
            **self._finished(finished),
            tokens_per_second=int(values.get("tokens_per_second", 0.0)),
            estimated_remaining_seconds=round(seconds * (self._steps - finished)),
            **shown,
        )

    def sampling(self, sampler: ReportedSampler) -> None:
        """Shows how rollouts are sampled."""
        self._show(sampler=sampler)

    def evaluated(self, evaluation: ReportedEvaluation) -> None:
        """Shows success on the test questions, at once."""
        self._show(at_once=True, evaluation=evaluation)

    def validated(self, validation: ReportedValidation) -> None:
        """Shows success on the validation questions; at once where it is new."""
        self._show(at_once=validation != self._progress.validation, validation=validation)

    def done(self, saved: SavedCheckpoint | None) -> None:
        """Shows the end, and the final checkpoint of a run that trained, at once."""
        shown: dict[str, Any] = {"phase": "done", "estimated_remaining_seconds": 0}
        if saved is None:
            shown["percent"] = 100  # of no steps
        else:
            shown["last_checkpoint"] = ReportedCheckpoint(step=saved.step, uri=saved.uri, digest=saved.digest)
        self._show(at_once=True, **shown)

    def _finished(self, finished: int) -> dict[str, Any]:
        return {
            "step": finished,
            "steps": f"{finished}/{self._steps}",
            "percent": 100 * finished // max(1, self._steps),
        }

    def _show(self, *, at_once: bool = False, **changes: Any) -> None:
        self._progress = self._progress.model_copy(update=changes)
        self._reporter.report(self._progress, at_once=at_once)

    @staticmethod
    def _decimal(value: float | None) -> str | None:
        return None if value is None else measured(value, places=4)

"""What is shown of a run."""

from __future__ import annotations

from tests.trainyard_trainer.small import Outside
from trainyard_api.progress import Measurement, Progress, ReportedEvaluation, ReportedValidation
from trainyard_trainer.reporting.progress_reporter import ProgressReporter
from trainyard_trainer.sinks import SavedCheckpoint, StepMetrics


def test_progress_is_put_together_step_by_step() -> None:
    """Steps, percent rounded down, reward and loss as decimals, speed, and the rest at the latest speed."""
    outside = Outside()
    board = ProgressReporter(outside, 60)
    board.phase("rollout")
    values = {"reward_mean": 0.84375, "loss": -0.0125, "tokens_per_second": 1234.9, "step_seconds": 0.5}
    board.step_done(31, StepMetrics("step", 30, 31, values))
    assert outside.reports[-1] == Progress(
        phase="rollout", step=31, steps="31/60", percent=51, reward="0.8438", loss="-0.0125",
        tokens_per_second=1234, estimated_remaining_seconds=14,
    )  # fmt: skip
    assert outside.hurried == 0


def test_a_step_without_a_reward_keeps_the_last_one() -> None:
    """SFT has none; a skipped update has no loss."""
    outside = Outside()
    board = ProgressReporter(outside, 2)
    board.step_done(1, StepMetrics("step", 0, 1, {"loss": 0.5}))
    board.step_done(2, StepMetrics("step", 1, 1, {}))
    assert (outside.reports[-1].reward, outside.reports[-1].loss) == (None, "0.5000")


def test_measurements_and_the_end_are_shown_at_once() -> None:
    """The end names the final checkpoint; a validation that was shown before isn't urgent again."""
    outside = Outside()
    board = ProgressReporter(outside, 1)
    evaluation = ReportedEvaluation(questions=512, before=Measurement(success_rate="0.0000"))
    validation = ReportedValidation(step=1, success_rate="0.5", best_step=1, best_success_rate="0.5")
    board.evaluated(evaluation)
    board.validated(validation)
    board.validated(validation)
    board.done(SavedCheckpoint(1, "file:///x/", "sha256:" + "a" * 64, 5, {}, None))
    last = outside.reports[-1]
    assert (last.evaluation, last.validation) == (evaluation, validation)
    assert (last.phase, last.last_checkpoint.step, last.last_checkpoint.uri) == ("done", 1, "file:///x/")
    assert outside.hurried == 3


def test_the_end_of_a_run_that_trained_nothing_names_no_checkpoint() -> None:
    """There is none; all there was to do is done."""
    outside = Outside()
    ProgressReporter(outside, 0).done(None)
    assert outside.reports[-1].percent == 100
    assert (outside.reports[-1].phase, outside.reports[-1].last_checkpoint) == ("done", None)

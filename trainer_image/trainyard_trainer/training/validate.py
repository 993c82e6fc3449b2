"""Success on the validation questions, every so many steps: what early stopping and the best checkpoint follow.

Place in the data's way: station 5, between steps. The questions are neither trained on nor tested on: what is chosen by
a measurement is no longer measured by it.
"""

from __future__ import annotations

from trainyard_api.decimals import measured as as_text
from trainyard_trainer.algorithms.base import Algorithm
from trainyard_trainer.evaluation.early_stopping import observed, should_stop
from trainyard_trainer.randomness import Stream
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.training.measured import Exam, measure
from trainyard_trainer.training.reported import reported_validation
from trainyard_trainer.training.run_sinks import Sinks
from trainyard_trainer.training.stopping import abandonable
from trainyard_trainer.training.train_state import TrainState


def validate_if_due(algorithm: Algorithm, exam: Exam | None, sinks: Sinks, state: TrainState) -> None:
    """Measures a state into `state` if that is due and not done; always shows the newest measurement.

    Args:
        algorithm: is measured.
        exam: the questions; nothing happens without.
        sinks: get the measurement.
        state: where the run stands.

    Raises:
        StoppedError: a stop was asked for.
        RefusedError: REWARD_FAILED or ENVIRONMENT_FAILED; not one answer could be scored.
    """
    settings = exam.settings.validation if exam is not None else None
    if exam is None or settings is None:
        return
    due = state.step > 0 and state.step % settings.every_steps == 0
    if due and state.validation.last_step != state.step:
        sinks.progress.phase("validation")
        with abandonable(algorithm, sinks, state):
            found, answers = measure(exam, exam.questions.validation, Stream.VALIDATION_TOKENS)
        metrics = StepMetrics("validation", state.step, algorithm.version, found.values)
        sinks.ledger.record_evaluation(metrics, answers)
        stopping = settings.early_stopping
        min_delta = float(stopping.min_delta) if stopping else 0.0
        rate = found.values.get("success_rate")
        state.validation = observed(state.validation, state.step, rate, min_delta)
        state.metrics = {**state.metrics, **_as_metrics(rate)}
    shown = reported_validation(state.validation)
    if shown is not None:
        sinks.progress.validated(shown)


def has_ended(steps: int, exam: Exam | None, state: TrainState) -> bool:
    """Says whether there is no further step: the last of `steps` is done, or validation ended the run."""
    return state.step >= steps or ended_early(exam, state)


def ended_early(exam: Exam | None, state: TrainState) -> bool:
    """Says whether validation has shown no improvement for as long as the run may wait for one."""
    validation = exam.settings.validation if exam is not None else None
    stopping = validation.early_stopping if validation else None
    return should_stop(state.validation, stopping.patience if stopping else None)


def _as_metrics(rate: float | None) -> dict[str, str]:
    """Returns what the state's checkpoint says of the validation."""
    text = None if rate is None else as_text(rate, places=6)
    return {} if text is None else {"validation_success_rate": text}

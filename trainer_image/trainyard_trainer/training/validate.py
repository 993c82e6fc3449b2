"""Success on the validation queries, every so many steps: what early stopping and the best checkpoint follow.

Place in the data's way: station 5, between steps. The queries are neither trained on nor tested on: what is chosen by a
measurement is no longer measured by it.
"""

from __future__ import annotations

from trainyard_api.decimals import measured as as_text
from trainyard_trainer.evaluation.early_stopping import observed
from trainyard_trainer.randomness import Stream
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.training.components import Outlets, Parts
from trainyard_trainer.training.measured import measure
from trainyard_trainer.training.reported import reported_validation
from trainyard_trainer.training.train_state import Position


def validate(parts: Parts, outlets: Outlets, position: Position) -> None:
    """Measure a state if that is due and not done; `position` keeps what came of it. Always shows the newest.

    Raises:
        RolloutInterruptedError: a stop was asked for.
        RefusedError: REWARD_FAILED or ENVIRONMENT_FAILED; not one answer could be scored.
    """
    settings = parts.evaluation.validation if parts.evaluation else None
    if settings is None:
        return
    due = position.step > 0 and position.step % settings.every_steps == 0
    if due and position.validation.last_step != position.step:
        outlets.board.phase("validation")
        found, answers = measure(parts, parts.questions.validation, Stream.VALIDATION_TOKENS)
        metrics = StepMetrics("validation", position.step, parts.policy.version, found.values)
        outlets.ledger.record_evaluation(metrics, answers)
        stopping = settings.early_stopping
        min_delta = float(stopping.min_delta) if stopping else 0.0
        rate = found.values.get("success_rate")
        position.validation = observed(position.validation, position.step, rate, min_delta)
        position.metrics = {**position.metrics, **_as_metrics(rate)}
    shown = reported_validation(position.validation)
    if shown is not None:
        outlets.board.validated(shown)


def _as_metrics(rate: float | None) -> dict[str, str]:
    """What the state's checkpoint says of it."""
    text = None if rate is None else as_text(rate, places=6)
    return {} if text is None else {"validation_success_rate": text}

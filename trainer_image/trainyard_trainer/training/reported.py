"""What was measured, as status, ledger and Checkpoint show it: decimal strings and a word.

Place in the data's way: from station 5 to stations 10 and 11. Pure.
"""

from __future__ import annotations

import math
from typing import Any

from trainyard_api.decimals import measured as as_text
from trainyard_api.progress import Measurement, ReportedEvaluation, ReportedValidation
from trainyard_trainer.evaluation.early_stopping import ValidationHistory
from trainyard_trainer.evaluation.significance import compare
from trainyard_trainer.training.measured import Measured

_PLACES = 4
_MEASUREMENTS = ("success_rate", "avg_reward", "avg_steps", "tool_accuracy")


def reported_evaluation(before: Measured | None, after: Measured | None) -> ReportedEvaluation:
    """Puts both measurements of the test questions together with the conclusion, once there are two.

    Nothing is concluded where no question has a verdict in both.
    """
    newest = after or before
    questions = int(newest.values["questions"]) if newest else 0
    shown = ReportedEvaluation(questions=questions, before=_measurement(before), after=_measurement(after))
    if before is None or after is None or not _comparable(before, after):
        return shown
    comparison = compare(before.outcomes, after.outcomes)
    conclusion: dict[str, Any] = {
        "difference": as_text(comparison.difference, places=_PLACES),
        "interval_low": as_text(comparison.interval_low, places=_PLACES),
        "interval_high": as_text(comparison.interval_high, places=_PLACES),
        # Up, so that none is shown as 0.
        "p_value": as_text(math.ceil(comparison.p_value * 1e6) / 1e6, places=6),
        "test": comparison.test,
        "verdict": comparison.verdict,
    }
    return shown.model_copy(update=conclusion)


def reported_validation(history: ValidationHistory) -> ReportedValidation | None:
    """Returns the latest validation and the best; None before the first with a value."""
    if history.last_step is None or history.last is None or history.best_step is None or history.best is None:
        return None
    return ReportedValidation(
        step=history.last_step,
        success_rate=f"{history.last:.{_PLACES}f}",
        best_step=history.best_step,
        best_success_rate=f"{history.best:.{_PLACES}f}",
    )


def _measurement(measured: Measured | None) -> Measurement | None:
    """Reports a measurement; None also where no answer got a verdict."""
    if measured is None or "success_rate" not in measured.values:
        return None
    texts = {name: as_text(measured.values[name], places=_PLACES) for name in _MEASUREMENTS if name in measured.values}
    return Measurement.model_validate({**texts, "failed": int(measured.values["failed"])})


def _comparable(before: Measured, after: Measured) -> bool:
    first, second = ({one.query for one in each.outcomes if one.successes} for each in (before, after))
    return bool(first & second)

"""Success on the test queries before the first step and after the last, and whether it changed.

Place in the data's way: station 5. Only these two measurements are compared, and nothing is chosen by them: no other
number of a run is evidence that it learned.
"""

from __future__ import annotations

from trainyard_trainer.randomness import Stream
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.training.components import Outlets, Parts
from trainyard_trainer.training.measured import Measured, measure
from trainyard_trainer.training.reported import reported_evaluation
from trainyard_trainer.training.train_state import Position


def evaluate_before(parts: Parts, outlets: Outlets, position: Position) -> None:
    """Measure the first weights, unless that is done; `position` keeps it. Nothing where the run has no evaluation.

    Raises:
        RolloutInterruptedError: a stop was asked for.
        RefusedError: REWARD_FAILED or ENVIRONMENT_FAILED; not one answer could be scored.
    """
    if parts.evaluation is None:
        return
    if position.before is None:
        outlets.board.phase("evaluation")
        before, answers = measure(parts, parts.questions.test, Stream.EVALUATION_TOKENS)
        metrics = StepMetrics("evaluation", position.step, parts.policy.version, before.values)
        outlets.ledger.record_evaluation(metrics, answers)
        position.before = before.to_state()
    outlets.board.evaluated(reported_evaluation(Measured.from_state(position.before), None))


def evaluate_after(parts: Parts, outlets: Outlets, position: Position) -> None:
    """Measure the last weights, compare them with the first, and record and show what follows; else as above."""
    if parts.evaluation is None:
        return
    outlets.board.phase("evaluation")
    after, answers = measure(parts, parts.questions.test, Stream.EVALUATION_TOKENS)
    before = None if position.before is None else Measured.from_state(position.before)
    result = reported_evaluation(before, after)
    metrics = StepMetrics("evaluation", position.step, parts.policy.version, after.values)
    outlets.ledger.record_evaluation(metrics, answers, result)
    outlets.board.evaluated(result)

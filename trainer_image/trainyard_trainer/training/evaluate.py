"""Success on the test questions before the first step and after the last, and whether it changed.

Place in the data's way: station 5. Only these two measurements are compared, and nothing is chosen by them: no other
number of a run is evidence that it learned.
"""

from __future__ import annotations

from trainyard_trainer.algorithms.base import Algorithm
from trainyard_trainer.randomness import Stream
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.training.measured import Exam, Measured, measure
from trainyard_trainer.training.reported import reported_evaluation
from trainyard_trainer.training.run_sinks import Sinks
from trainyard_trainer.training.stopping import abandonable
from trainyard_trainer.training.train_state import TrainState


def evaluate_before(algorithm: Algorithm, exam: Exam | None, sinks: Sinks, state: TrainState) -> None:
    """Measures the first weights into `state`, unless that is done; does nothing where the run has no evaluation.

    Raises:
        StoppedError: a stop was asked for.
        RefusedError: REWARD_FAILED or ENVIRONMENT_FAILED; not one answer could be scored.
    """
    if exam is None:
        return
    if state.before is None:
        sinks.progress.phase("evaluation")
        with abandonable(algorithm, sinks, state):
            before, answers = measure(exam, exam.questions.test, Stream.EVALUATION_TOKENS)
        metrics = StepMetrics("evaluation", state.step, algorithm.version, before.values)
        sinks.ledger.record_evaluation(metrics, answers)
        state.before = before.to_state()
    sinks.progress.evaluated(reported_evaluation(Measured.from_state(state.before), None))


def evaluate_after(algorithm: Algorithm, exam: Exam | None, sinks: Sinks, state: TrainState) -> None:
    """Measures the last weights, compares them with the first, and records and shows the result.

    Raises:
        StoppedError: a stop was asked for.
        RefusedError: REWARD_FAILED or ENVIRONMENT_FAILED; not one answer could be scored.
    """
    if exam is None:
        return
    sinks.progress.phase("evaluation")
    with abandonable(algorithm, sinks, state):
        after, answers = measure(exam, exam.questions.test, Stream.EVALUATION_TOKENS)
    before = None if state.before is None else Measured.from_state(state.before)
    result = reported_evaluation(before, after)
    metrics = StepMetrics("evaluation", state.step, algorithm.version, after.values)
    sinks.ledger.record_evaluation(metrics, answers, result)
    sinks.progress.evaluated(result)

"""A run that trains nothing: a model and a baseline answer the same test questions, and are compared.

Place in the data's way: station 5, for `algorithm.type: Evaluation`. One model is in memory at a time. It leaves rows
and a conclusion, no checkpoint; the digest of that conclusion is how its end can be told from one that measured
nothing.
"""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Literal

from trainyard_api.checkpoint_manifest import canonical_json, digest_of
from trainyard_api.run_config import RunConfig
from trainyard_trainer.algorithms.plan import plan_of
from trainyard_trainer.randomness import Stream
from trainyard_trainer.reporting.progress_reporter import ProgressReporter
from trainyard_trainer.sinks import Ended, Ledger, StepMetrics
from trainyard_trainer.stop import Stop
from trainyard_trainer.training.baseline import at_baseline, baseline_config
from trainyard_trainer.training.components import Components
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.training.measured import Measured, measure
from trainyard_trainer.training.reported import reported_evaluation
from trainyard_trainer.training.stopping import unsaved
from trainyard_trainer.trajectory import Trajectory


def evaluate_only(
    config: RunConfig, inputs: RunInputs, *, ledger: Ledger, progress: ProgressReporter, stop: Stop
) -> Ended:
    """Measures the baseline, then the model; records both and the conclusion.

    Raises:
        RefusedError: the user's mistake, or not one answer could be scored.
        StoppedError: a stop was asked for; nothing is kept but the rows of what was measured whole.
    """
    with unsaved(stop, None, works=True):
        ledger.rewind(0)
        with at_baseline():
            before, answers = _measure(baseline_config(config), replace(inputs, model=inputs.baseline), progress, stop)
        ledger.record_evaluation(_metrics("baseline", before), answers)
        progress.evaluated(reported_evaluation(before, None))
        gc.collect()  # a model's modules refer to each other, so only this gives its memory back
        after, answers = _measure(config, inputs, progress, stop)
        result = reported_evaluation(before, after)
        ledger.record_evaluation(_metrics("evaluation", after), answers, result)
    progress.evaluated(result)
    progress.done(None)
    return Ended(None, results_digest=digest_of(canonical_json(result.to_wire())))


def _measure(
    config: RunConfig, inputs: RunInputs, progress: ProgressReporter, stop: Stop
) -> tuple[Measured, list[Trajectory]]:
    progress.phase("loading")
    components = Components(config, inputs, stop, plan_of(config.algorithm))
    try:
        exam = components.exam
        if exam is None:
            raise ValueError("a run that only evaluates must have an evaluation; the contract's rules say so")
        progress.phase("evaluation")
        return measure(exam, exam.questions.test, Stream.EVALUATION_TOKENS)
    finally:
        components.close()


def _metrics(kind: Literal["baseline", "evaluation"], measured: Measured) -> StepMetrics:
    """Makes the metrics of a measurement at step 0, for nothing is trained here."""
    return StepMetrics(kind, 0, 0, measured.values)

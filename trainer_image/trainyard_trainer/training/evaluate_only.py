"""A run that trains nothing: a model and a baseline answer the same test queries, and are compared.

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
from trainyard_trainer.errors import RolloutInterruptedError, StoppedError
from trainyard_trainer.randomness import Stream
from trainyard_trainer.reporting.board import ProgressBoard
from trainyard_trainer.rewards.reward import close_rewards
from trainyard_trainer.sinks import Ended, Ledger, StepMetrics
from trainyard_trainer.stop import StopRequest
from trainyard_trainer.training.baseline import at_baseline, baseline_config
from trainyard_trainer.training.components import build_parts
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.training.measured import Measured, measure
from trainyard_trainer.training.reported import reported_evaluation
from trainyard_trainer.trajectory import Trajectory


def evaluate_only(
    config: RunConfig, inputs: RunInputs, *, ledger: Ledger, board: ProgressBoard, stop: StopRequest
) -> Ended:
    """Measure the baseline, then the model; record both and what follows.

    Raises:
        RefusedError: the user's mistake, or not one answer could be scored.
        StoppedError: a stop was asked for; nothing is kept but the rows of what was measured whole.
    """
    ledger.rewind(0)
    try:
        with at_baseline():
            before, answers = _measure(baseline_config(config), replace(inputs, model=inputs.baseline), board, stop)
        ledger.record_evaluation(_metrics("baseline", before), answers)
        board.evaluated(reported_evaluation(before, None))
        gc.collect()  # a model's modules refer to each other, so only this gives its memory back
        after, answers = _measure(config, inputs, board, stop)
    except RolloutInterruptedError:
        raise StoppedError(0, None) from None
    result = reported_evaluation(before, after)
    ledger.record_evaluation(_metrics("evaluation", after), answers, result)
    board.evaluated(result)
    board.done(None)
    return Ended(None, results_digest=digest_of(canonical_json(result.to_wire())))


def _measure(
    config: RunConfig, inputs: RunInputs, board: ProgressBoard, stop: StopRequest
) -> tuple[Measured, list[Trajectory]]:
    board.phase("loading")
    parts = build_parts(config, inputs, stop)
    try:
        board.phase("evaluation")
        return measure(parts, parts.questions.test, Stream.EVALUATION_TOKENS)
    finally:
        close_rewards(parts.rewards)


def _metrics(kind: Literal["baseline", "evaluation"], measured: Measured) -> StepMetrics:
    """Neither has trained a step here."""
    return StepMetrics(kind, 0, 0, measured.values)

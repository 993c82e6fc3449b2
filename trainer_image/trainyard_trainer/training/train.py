"""The loop on one screen: what all algorithms share.

Place in the data's way: around stations 5 to 8, and the calls that lead to 9, 10 and 11. `algorithms` say what happens
in a step. Between steps the order is always validation, checkpoint, stop, so that a checkpoint holds what validation
made of its state; each is done once for a state, also by a run that goes on from it.
"""

from __future__ import annotations

from trainyard_trainer.algorithms.base import Algorithm
from trainyard_trainer.algorithms.metrics import as_decimals
from trainyard_trainer.reporting.stopwatch import Stopwatch
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.training.measured import Exam
from trainyard_trainer.training.run_sinks import Sinks
from trainyard_trainer.training.saving import save_if_due, stop_if_asked
from trainyard_trainer.training.stopping import abandonable, droppable
from trainyard_trainer.training.train_state import TrainState
from trainyard_trainer.training.validate import has_ended, validate_if_due


def train(algorithm: Algorithm, exam: Exam | None, sinks: Sinks, state: TrainState) -> None:
    """Trains from `state`, which it moves on, to the last step or an early end.

    Raises:
        StoppedError: a stop was asked for; the state before what it dropped is committed.
        RefusedError: the run can't go on.
    """
    while True:
        if state.batch is None:
            validate_if_due(algorithm, exam, sinks, state)
            ended = has_ended(algorithm.steps, exam, state)
            with droppable(algorithm, sinks, state):
                save_if_due(algorithm, sinks, state, ended=ended)
            if ended:
                return
            stop_if_asked(algorithm, sinks, state)
        watch = Stopwatch()
        with droppable(algorithm, sinks, state):
            if state.batch is None:
                with abandonable(algorithm, sinks, state):
                    collected = algorithm.collect(state.step, watch, sinks.progress)
                state.batch = algorithm.batch(collected, state.step)
            sinks.progress.updating(state.batch.done, algorithm.updates_per_step)
            for done, count, updated in algorithm.updates(state.batch):
                state.batch = updated
                if done < count:
                    sinks.progress.updating(done, count)
                    stop_if_asked(algorithm, sinks, state)
        watch.lap("update")
        trajectories, values = algorithm.measured(state.batch, watch.seconds())
        metrics = StepMetrics("step", state.step, algorithm.version, values)
        sinks.ledger.record_step(trajectories, metrics)
        state.finish_step(as_decimals(metrics))
        sinks.progress.step_done(state.step, metrics)

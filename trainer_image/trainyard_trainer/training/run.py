"""One run from its config to its last checkpoint: the entry that a pod and a run without a cluster share.

Place in the data's way: station 4, between the outside (`sinks`) and the loop. It reads no file but those of its
inputs, no environment variable but the number of threads, and it ends no process.
"""

from __future__ import annotations

import os

import torch

from trainyard_api.run_config import RunConfig
from trainyard_trainer.algorithms.base import Algorithm
from trainyard_trainer.algorithms.plan import plan_of
from trainyard_trainer.reporting.progress_reporter import ProgressReporter
from trainyard_trainer.sinks import Checkpointer, Ended, Ledger, Reporter
from trainyard_trainer.stop import Stop
from trainyard_trainer.training.algorithm_types import make_algorithm
from trainyard_trainer.training.components import Components
from trainyard_trainer.training.evaluate import evaluate_after, evaluate_before
from trainyard_trainer.training.evaluate_only import evaluate_only
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.training.restore import require_same_questions, restore
from trainyard_trainer.training.run_sinks import Sinks
from trainyard_trainer.training.saving import finish
from trainyard_trainer.training.stopping import unsaved
from trainyard_trainer.training.train import train
from trainyard_trainer.training.train_state import TrainState
from trainyard_trainer.training.validate import ended_early


def run(
    config: RunConfig,
    inputs: RunInputs,
    *,
    ledger: Ledger,
    reporter: Reporter,
    checkpointer: Checkpointer,
    stop: Stop,
) -> Ended:
    """Trains as `config` says, from the run's newest checkpoint if it has one, until its last one is committed; or only
    evaluates.

    The checkpointer tells ledger and reporter of each commit by itself; the loop hands it snapshots and waits at the
    end.

    Args:
        config: what to train, with every reference resolved.
        inputs: files of this machine.
        ledger: gets every step's trajectories and metrics; what it has of work that is done again goes first.
        reporter: gets progress.
        checkpointer: gets snapshots; its newest commit is the result.
        stop: asked everywhere; what doesn't ask is bounded.

    Raises:
        RefusedError: the user's mistake, or a run that can't go on.
        StoppedError: a stop was asked for; the newest state is committed, if the run had one that wasn't yet.
    """
    _set_threads()
    plan = plan_of(config.algorithm)
    progress = ProgressReporter(reporter, plan.steps)
    if not plan.steps:
        return evaluate_only(config, inputs, ledger=ledger, progress=progress, stop=stop)
    resumed = inputs.resumed.saved if inputs.resumed is not None else None
    if resumed is not None:
        progress.resumed(resumed.step)
    components = Components(config, inputs, stop, plan)
    try:
        with unsaved(stop, resumed):
            progress.phase("loading")
            algorithm, exam = make_algorithm(config.algorithm, components), components.exam
            if components.sampler is not None:
                progress.sampling(components.sampler)
            state = _state(algorithm, inputs, components)
            algorithm.prepare()
            ledger.rewind(state.step)
        sinks = Sinks(ledger, progress, checkpointer, stop, config.checkpoints.every_steps, state.kept(), resumed)
        evaluate_before(algorithm, exam, sinks, state)
        train(algorithm, exam, sinks, state)
        evaluate_after(algorithm, exam, sinks, state)
        saved = finish(sinks)
        progress.done(saved)
        return Ended(saved, early=ended_early(exam, state) and state.step < plan.steps)
    finally:
        components.close()


def _state(algorithm: Algorithm, inputs: RunInputs, components: Components) -> TrainState:
    """Returns where the run stands: at its start, or where its newest checkpoint was taken."""
    questions = components.questions.digest
    if inputs.resumed is None:
        return TrainState(questions=questions)
    state = restore(algorithm, inputs.resumed)
    require_same_questions(state, questions)
    return state


def _set_threads() -> None:
    """Sets one thread unless OMP_NUM_THREADS says otherwise: equal bytes need equal threads, and tiny models gain."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

"""One run from its config to its last checkpoint: the entry that a pod and a run without a cluster share.

Place in the data's way: station 4, between the outside (`outlets`) and the loop. It reads no file but those of its
inputs, no environment variable but the number of threads, and it ends no process.
"""

from __future__ import annotations

import os

import torch

from trainyard_api.run_config import RunConfig
from trainyard_trainer.checkpoints.resumable import require_same_questions, restore
from trainyard_trainer.errors import RolloutInterruptedError, StoppedError
from trainyard_trainer.reporting.board import ProgressBoard
from trainyard_trainer.rewards.reward import close_rewards
from trainyard_trainer.sinks import Checkpointer, Ended, Ledger, Reporter
from trainyard_trainer.stop import StopRequest
from trainyard_trainer.training.between_steps import ended_early
from trainyard_trainer.training.components import Outlets, Parts, build_parts, steps_of
from trainyard_trainer.training.evaluate import evaluate_after, evaluate_before
from trainyard_trainer.training.evaluate_only import evaluate_only
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.training.saving import finish, stop_here
from trainyard_trainer.training.sft import fine_tune
from trainyard_trainer.training.train import train
from trainyard_trainer.training.train_state import Position


def run(
    config: RunConfig,
    inputs: RunInputs,
    *,
    ledger: Ledger,
    reporter: Reporter,
    checkpointer: Checkpointer,
    stop: StopRequest,
) -> Ended:
    """Train as `config` says, from the run's newest checkpoint on where it has one, to its last one, committed; or only
    evaluate.

    The checkpointer tells ledger and reporter of each commit by itself; the loop hands it snapshots and waits at the
    end.

    Args:
        config: what to train, with every reference resolved.
        inputs: files of this machine.
        ledger: gets every step's trajectories and metrics; what it has of work that is done again goes first.
        reporter: gets progress.
        checkpointer: gets snapshots; its newest commit is the result.
        stop: asked between decode rounds, between updates and between steps.

    Raises:
        RefusedError: the user's mistake, or a run that can't go on.
        StoppedError: a stop was asked for; the newest state is committed.
    """
    _set_threads()
    board = ProgressBoard(reporter, steps_of(config))
    if config.algorithm.type == "Evaluation":
        return evaluate_only(config, inputs, ledger=ledger, board=board, stop=stop)
    if inputs.resumed is not None:
        board.resumed(inputs.resumed.saved.step)
    board.phase("loading")
    try:
        parts = build_parts(config, inputs, stop)
    except RolloutInterruptedError:
        newest = inputs.resumed.saved if inputs.resumed else None
        raise StoppedError(newest.step if newest else 0, newest.uri if newest else None) from None
    try:
        board.sampling(parts.sampler)
        questions = parts.questions.digest
        position = Position(questions=questions)
        if inputs.resumed is not None:
            position = restore(parts.policy, inputs.resumed)
            require_same_questions(position, questions)
        parts.policy.prepare(parts.longest_row)
        ledger.rewind(position.step)
        outlets = Outlets(ledger, board, checkpointer, stop, config.checkpoints.every_steps)
        try:
            evaluate_before(parts, outlets, position)
            _train(config, parts, outlets, position)
            evaluate_after(parts, outlets, position)
        except RolloutInterruptedError:
            stop_here(parts.policy, position, outlets)  # what isn't finished is dropped
        saved = finish(outlets)
        board.done(saved)
        return Ended(saved, early=ended_early(parts, position) and position.step < steps_of(config))
    finally:
        close_rewards(parts.rewards)


def _train(config: RunConfig, parts: Parts, outlets: Outlets, position: Position) -> None:
    if config.algorithm.grpo is not None:
        train(config.algorithm.grpo, parts, outlets, position)
    elif config.algorithm.sft is not None:
        fine_tune(config.algorithm.sft, parts, outlets, position)


def _set_threads() -> None:
    """One thread unless OMP_NUM_THREADS says otherwise: equal bytes need equal threads, and tiny models gain."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

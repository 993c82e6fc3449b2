"""One run from its config to its last checkpoint: the entry that a pod and a run without a cluster share.

Place in the data's way: station 4, between the outside (`outlets`) and the loop. It reads no file but the model's
folder, no environment variable but the number of threads, and it ends no process.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from trainyard_api.run_config import RunConfig
from trainyard_trainer.checkpoints.saving import finish, stop_here
from trainyard_trainer.evaluation.evaluate import evaluate
from trainyard_trainer.outlets import Checkpointer, Ledger, Reporter, SavedCheckpoint, StopRequest
from trainyard_trainer.parts import Outlets, Parts, build_parts, steps_of
from trainyard_trainer.reporting.board import ProgressBoard
from trainyard_trainer.seams import RolloutInterruptedError
from trainyard_trainer.sft import fine_tune
from trainyard_trainer.train import train

EVALUATION_TURNS = 20
"""Turns of an answer when the algorithm has no limit of its own: GRPO's default."""


def run(
    config: RunConfig,
    model_folder: Path | None,
    *,
    ledger: Ledger,
    reporter: Reporter,
    checkpointer: Checkpointer,
    stop: StopRequest,
) -> SavedCheckpoint:
    """Train as `config` says and return the final checkpoint, committed.

    The checkpointer tells ledger and reporter of each commit by itself; the loop hands it snapshots and waits at the
    end.

    Args:
        config: what to train, with every reference resolved.
        model_folder: local folder of the first weights, as `save_pretrained` writes it, where the config's model is a
            checkpoint or in a bucket; None for `scratch` and for `path`, which is read where it lies.
        ledger: gets every step's trajectories and metrics.
        reporter: gets progress.
        checkpointer: gets snapshots; its newest commit is the result.
        stop: asked between decode rounds and between steps.

    Raises:
        RefusedError: the user's mistake, or a run that can't go on.
        StoppedError: a stop was asked for; the newest state is committed.
    """
    _set_threads()
    steps = steps_of(config)
    board = ProgressBoard(reporter, steps)
    board.phase("loading")
    parts = build_parts(config, model_folder, stop)
    outlets = Outlets(ledger, board, checkpointer, stop, config.checkpoints.every_steps)
    turns = config.algorithm.grpo.max_turns if config.algorithm.grpo else EVALUATION_TURNS
    finished = 0
    try:
        evaluate(parts, outlets, finished, "before", turns)
        _train(config, parts, outlets)
        finished = steps
        evaluate(parts, outlets, finished, "after", turns)
    except RolloutInterruptedError:
        stop_here(parts.policy, finished, None, outlets)
    saved = finish(outlets)
    board.done(saved)
    return saved


def _train(config: RunConfig, parts: Parts, outlets: Outlets) -> None:
    if config.algorithm.grpo is not None:
        train(config.algorithm.grpo, parts, outlets)
    elif config.algorithm.sft is not None:
        fine_tune(config.algorithm.sft, parts, outlets)


def _set_threads() -> None:
    """One thread unless OMP_NUM_THREADS says otherwise: equal bytes need equal threads, and tiny models gain."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

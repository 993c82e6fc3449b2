"""One run from its config to its last checkpoint: the entry that a pod and a run without a cluster share.

Place in the data's way: station 4, between the outside (`outlets`) and the loop. It reads no file but the model's folder,
no environment variable but the number of threads, and it ends no process.
"""

from __future__ import annotations

from pathlib import Path

from trainyard_api.run_config import RunConfig
from trainyard_trainer.outlets import Checkpointer, Ledger, Reporter, SavedCheckpoint, StopRequest


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

    The checkpointer tells ledger and reporter of each commit by itself; the loop hands it snapshots and waits at the end.

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
    raise NotImplementedError

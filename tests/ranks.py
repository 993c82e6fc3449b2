"""Processes that share a step, each a rank of one group."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

from torch.multiprocessing import start_processes

COUNT = 2


def run_ranks(rank: Callable[[int, Path], None], folder: Path) -> None:
    """Runs `rank(number, folder)` in two processes; raises what one of them raises.

    Both are forked from a third one, which imports torch once for them and has no threads.
    """
    multiprocessing.set_forkserver_preload(["tests.trainyard_trainer.policies"])
    start_processes(rank, (folder,), nprocs=COUNT, start_method="forkserver")

"""Restores a run from its own newest checkpoint: weights, optimizer, and where the loop stands.

Place in the data's way: from station 9 back to station 4. The reference of a penalty is the run's first weights, so
those are loaded first and these after.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from trainyard_api.termination import TerminationReason
from trainyard_trainer.algorithms.base import Algorithm
from trainyard_trainer.checkpoints.files import TRAINER_STATE_FILE, Committed
from trainyard_trainer.checkpoints.resumable import FetchedReason, Resumed, find_resumable, reading
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.storage.storage import Storage
from trainyard_trainer.training.train_state import ReadBatch, TrainState

_log = logging.getLogger(__name__)

POSITION: Final = "position"
"""Member of the trainer's state that holds the train state, by its stored name; the others are the algorithm's."""
Lacks = Callable[[int, TrainState | None], str | None]
"""What a ledger lacks of a state; None where it has all. Asked with the number of finished steps before a checkpoint is
fetched, and with its train state after that.
"""


def find_restorable(
    storage: Storage,
    prefix: str,
    run_uid: str,
    into: Path,
    *,
    read_batch: ReadBatch,
    lacks: Lacks = lambda *_: None,
    carried: FetchedReason = lambda *_: None,
    unreadable: Mapping[str, str] | None = None,
    say: Callable[[str], None] = _log.warning,
) -> Resumed | None:
    """Finds the newest committed checkpoint whose state can be read and whose rows the ledger has; None without one.

    Args:
        storage: where the run writes its checkpoints.
        prefix: the run's key prefix, with its trailing slash.
        run_uid: the run's.
        into: a folder that may be emptied.
        read_batch: reads the batch of the run's algorithm.
        lacks: what the ledger lacks of a state.
        carried: what is wrong with the rows that a checkpoint carries for its ledger.
        unreadable: addresses of those that were tried already and couldn't be restored, and why.
        say: is told in a line each which were passed over, and why.

    Raises:
        UnreadableError: what is left was written by another version of the trainer.
        RefusedError: the storage itself is refused.
    """
    return find_resumable(
        storage,
        prefix,
        run_uid,
        into,
        why_not=lambda committed: lacks(committed.step, None),
        why_not_fetched=lambda committed, folder: (
            lacks(committed.step, _train_state(committed, folder, read_batch)) or carried(committed, folder)
        ),
        unreadable=unreadable,
        say=say,
    )


def restore(algorithm: Algorithm, resumed: Resumed) -> TrainState:
    """Gives the algorithm what it had learned at a checkpoint, and returns the train state of then.

    Raises:
        UnreadableError: the state is of another layout, for another version of the trainer wrote it; the algorithm is
            of no further use.
        RefusedError: the weights are those of another model.
    """
    with reading(resumed.saved.uri):
        state: Mapping[str, Any] = torch.load(resumed.folder / TRAINER_STATE_FILE, weights_only=True)
        algorithm.restore(resumed.folder, {name: part for name, part in state.items() if name != POSITION})
        return TrainState.from_state(state[POSITION], algorithm.batch_from_state)


def require_same_questions(state: TrainState, digest: str) -> None:
    """Refuses to go on with other questions than the run began with, for some could be trained on twice, never, or be
    test questions.

    Args:
        state: where the run stands.
        digest: of the questions of now.

    Raises:
        RefusedError: INVALID_DATA.
    """
    if state.questions != digest:
        raise RefusedError(
            TerminationReason.INVALID_DATA,
            "must give the questions that the run began with, of which the digest was "
            f"{state.questions}; bring them back, or begin a new run",
            field_path="spec.task",
            value=digest,
        )


def _train_state(committed: Committed, folder: Path, read_batch: ReadBatch) -> TrainState:
    """Reads the train state of a checkpoint; its tensors stay on the disk."""
    with reading(committed.uri):
        state: Mapping[str, Any] = torch.load(folder / TRAINER_STATE_FILE, weights_only=True, mmap=True)
        stands = TrainState.from_state(state[POSITION], read_batch)
        if stands.step != committed.step:
            raise ValueError(f"its manifest is of step {committed.step}, its state of step {stands.step}")
        return stands

"""How a run goes on from its own newest checkpoint.

Place in the data's way: from station 9 back to station 4. Whether there is one is asked of the storage at every start,
of nobody else. A checkpoint counts only if every digest holds; else the one before it does. The reference of a penalty
is the run's first weights, so those are loaded first and these after.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.checkpoint import TRAINER_STATE_FILE, all_committed, load_checkpoint
from trainyard_trainer.checkpoints.position import Position
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.outlets import SavedCheckpoint
from trainyard_trainer.seams import Policy
from trainyard_trainer.storage.storage import Storage

_log = logging.getLogger(__name__)

POSITION: Final = "position"
"""Member of the trainer's state that holds the position; the others are the policy's."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """A checkpoint that a run goes on from, its files in a local folder."""

    saved: SavedCheckpoint
    folder: Path

    @property
    def whole(self) -> bool:
        """Whether it holds all weights; of a run that trains an adapter only the final checkpoint does."""
        return any(self.folder.glob("*.safetensors"))


def find_resumable(storage: Storage, prefix: str, run_uid: str, into: Path) -> Resumed | None:
    """The newest committed checkpoint of a run whose digests hold, copied into a folder; None where there is none.

    Args:
        storage: where the run writes its checkpoints.
        prefix: the run's key prefix, with its trailing slash.
        run_uid: the run's; a manifest that names another isn't its checkpoint.
        into: a folder that may be emptied.

    Raises:
        RefusedError: the storage itself is refused.
    """
    for committed in all_committed(storage, prefix):
        if committed.manifest.run_uid != run_uid:
            _log.warning("resume: %s passed over; it is of run %s", committed.uri, committed.manifest.run_uid)
            continue
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        try:
            load_checkpoint(storage, committed.uri, committed.digest, into)
        except RefusedError as error:
            _log.warning("resume: %s passed over for the one before; %s", committed.uri, error)
            continue
        _log.info("resume: going on from %s, %s", committed.uri, "digests verified")
        return Resumed(committed.saved(), into)
    return None


def restore(policy: Policy, resumed: Resumed) -> Position:
    """Give the policy the weights and state of a checkpoint; where the run stands.

    Raises:
        ValueError: the state is of another layout, for another version of the trainer wrote it.
    """
    state: Mapping[str, Any] = torch.load(resumed.folder / TRAINER_STATE_FILE, weights_only=True)
    policy.load_weights(resumed.folder)
    policy.load_state({name: part for name, part in state.items() if name != POSITION})
    return Position.from_state(state[POSITION])


def require_same_questions(position: Position, digest: str) -> None:
    """Refuse to go on with other questions than the run began with: in another order some would be trained on twice and
    some never, and the evaluation could ask what was trained on.

    Args:
        position: where the run stands.
        digest: of the questions of now.

    Raises:
        RefusedError: INVALID_DATA.
    """
    if position.questions != digest:
        raise RefusedError(
            TerminationReason.INVALID_DATA,
            "must give the questions that the run began with, of which the digest was "
            f"{position.questions}; bring them back, or begin a new run",
            field_path="spec.task",
            value=digest,
        )

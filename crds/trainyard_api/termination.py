"""How a trainer pod ends: its exit code and the message it leaves in its termination log.

Place in the data's way: from station 4 back to station 2. The trainer writes it, the operator reads it as hostile
input: user code runs in that pod, so the text may be anything.
"""

from __future__ import annotations

import json
from enum import IntEnum, StrEnum
from typing import Annotated

from pydantic import Field, ValidationError

from trainyard_api.fields import ApiModel, Count, Digest, Identifier, ObservedDecimal, Uri

MAX_BYTES = 4096
"""What the kubelet keeps of a termination log."""


class ExitCode(IntEnum):
    """Exit codes with a meaning; every other one is a crash."""

    DONE = 0
    """All steps are done and the final checkpoint, which the message names, is committed; or, of an evaluation, its
    results are in the ledger."""
    STOPPED = 10
    """Stopped on request, after a checkpoint; before there was anything to save, without one."""
    REFUSED = 20
    """The user's mistake, or a run that can't go on: another attempt would end the same way."""


class TerminationReason(StrEnum):
    """Why a trainer ended, in its own words."""

    COMPLETED = "Completed"
    EARLY_STOPPED = "EarlyStopped"
    """Done before the last step, for validation no longer improved."""
    STOPPED = "Stopped"
    """On request; the checkpoint that it names has all that was done."""
    STOPPED_UNSAVED = "StoppedUnsaved"
    """On request, before there was a checkpoint, or without one of the work since the newest: that is done again."""
    INVALID_RUN_CONFIG = "InvalidRunConfig"
    INVALID_MANIFEST = "InvalidManifest"
    UNKNOWN_TASK = "UnknownTask"
    UNKNOWN_REWARD = "UnknownReward"
    UNKNOWN_OPTION = "UnknownOption"
    INVALID_OPTION = "InvalidOption"
    MODEL_NOT_FOUND = "ModelNotFound"
    MODEL_UNSUITABLE = "ModelUnsuitable"
    CHECKPOINT_NOT_FOUND = "CheckpointNotFound"
    DIGEST_MISMATCH = "DigestMismatch"
    STORAGE_UNAVAILABLE = "StorageUnavailable"
    DATABASE_REFUSED = "DatabaseRefused"
    INVALID_DATA = "InvalidData"
    REWARD_FAILED = "RewardFailed"
    ENVIRONMENT_FAILED = "EnvironmentFailed"
    NOT_FINITE = "NotFinite"
    FENCED = "Fenced"
    CRASHED = "Crashed"
    """An exception that none of the others stands for; the exit code is a crash's."""


class CommittedCheckpoint(ApiModel):
    """The checkpoint that a trainer committed last; its row may be missing where the database was away."""

    uri: Uri
    """Folder of its files."""
    digest: Digest
    """Digest of its manifest."""
    step: Count
    """Finished steps it contains."""
    updates: Count | None = None
    """Updates done of the step after these; absent where it was taken between steps."""
    size_bytes: Count = 0
    """Bytes of its files."""
    metrics: Annotated[dict[Identifier, ObservedDecimal], Field(max_length=16)] = {}
    """Measurements of its step."""
    unwritten_rows: Count = 0
    """Rows of the ledger that travel in its files, because the database was away."""


class Termination(ApiModel):
    """The message of an ended trainer; at most 4 KiB as JSON."""

    reason: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]{0,62}$")]
    """A word of TerminationReason."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """What went wrong and what to do."""
    field_path: Annotated[str, Field(max_length=256)] | None = None
    """The field of the manifest at fault."""
    value: Annotated[str, Field(max_length=256)] | None = None
    """The value at fault; never a secret."""
    last_step: Annotated[int, Field(ge=0)] | None = None
    """Finished steps."""
    committed_uri: Uri | None = None
    """Folder of the newest committed checkpoint."""
    committed: CommittedCheckpoint | None = None
    """The same with all that its row in the ledger holds."""
    results_digest: Digest | None = None
    """Digest of an evaluation's results, where nothing was trained."""
    dropped_seconds: ObservedDecimal | None = None
    """Seconds of the pod's work that a stop dropped: no checkpoint holds it, and it is done again."""

    def to_log(self) -> bytes:
        """Writes the JSON text; one that is too long loses its last metrics, then its value, then the end of its
        message, then the rest.
        """
        cut = self
        while len(text := json.dumps(cut.to_wire(), ensure_ascii=False).encode()) > MAX_BYTES:
            if cut.committed is not None and cut.committed.metrics:
                fewer = dict(list(cut.committed.metrics.items())[:-1])
                cut = cut.model_copy(update={"committed": cut.committed.model_copy(update={"metrics": fewer})})
            elif cut.value is not None:
                cut = cut.model_copy(update={"value": None})
            elif cut.message:
                cut = cut.model_copy(update={"message": cut.message[:-64]})
            elif cut.field_path is not None:
                cut = cut.model_copy(update={"field_path": None})
            elif cut.committed is not None:
                cut = cut.model_copy(update={"committed": None})  # earlier operators know the address alone
            else:
                cut = cut.model_copy(update={"committed_uri": None})
        return text


def parse_termination(text: str | None) -> Termination | None:
    """Reads the message in a container's termination log; None when it isn't one that we wrote.

    Lengths, types and patterns are checked; nothing in it is trusted beyond that.
    """
    if not text:
        return None
    try:
        return Termination.model_validate_json(text)
    except (ValidationError, ValueError):
        return None

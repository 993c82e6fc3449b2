"""How a pod ends: an exit code, and a message in the termination log.

Place in the data's way: station 4, back to station 2. Every way for a run to end is mapped here, once. No message
contains a secret that the pod was given.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from trainyard_api.decimals import measured
from trainyard_api.termination import CommittedCheckpoint, ExitCode, Termination, TerminationReason
from trainyard_trainer.errors import RefusedError, StoppedError
from trainyard_trainer.readable import readable
from trainyard_trainer.sinks import Ended
from trainyard_trainer.user_code import words_of

_log = logging.getLogger(__name__)

CRASHED: Final = 1
"""Exit code of a crash."""
_HIDDEN: Final = "[hidden]"


_GUESSED: Final = 2
"""Up to so many characters are no secret, and would be found in every text."""
_WORD: Final = 7
"""Up to so many are replaced as whole words only: a password `test` isn't in `latest`."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replaces the secrets in a text, and makes it readable."""
    for secret in secrets:
        if len(secret) > _WORD:
            text = text.replace(secret, _HIDDEN)
        elif len(secret) > _GUESSED:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", _HIDDEN, text)
    return readable(text)


def completed(ended: Ended, unwritten_rows: int = 0) -> Termination:
    """Makes the message of a run whose final checkpoint is committed, or of an evaluation whose results are stored.

    Args:
        ended: how it ended.
        unwritten_rows: rows that the checkpoint carries and the database lacks.
    """
    saved = ended.saved
    if saved is None:
        return Termination(
            reason=TerminationReason.COMPLETED, message="the evaluation is done", results_digest=ended.results_digest
        )
    early = f"training ended after {saved.step} steps, for validation no longer improved"
    return Termination(
        reason=TerminationReason.EARLY_STOPPED if ended.early else TerminationReason.COMPLETED,
        message=early if ended.early else f"all {saved.step} steps are done",
        last_step=saved.step,
        committed_uri=saved.uri,
        committed=saved.as_committed().model_copy(update={"unwritten_rows": unwritten_rows}),
    )


def of_error(
    error: BaseException, secrets: Iterable[str], newest: CommittedCheckpoint | None = None
) -> tuple[int, Termination]:
    """Returns the exit code and message of a run that an error ended.

    Args:
        error: what ended it.
        secrets: what the message must not contain.
        newest: the run's newest committed checkpoint; every end names it, for its claim may be in no ledger, but that
            of a pod whose place another one has taken.
    """
    code, termination = _of_error(error, secrets)
    if newest is None or termination.reason == TerminationReason.FENCED:
        return code, termination
    named = {"committed_uri": newest.uri, "committed": newest}
    if isinstance(error, StoppedError):
        named["last_step"] = max(error.last_step, newest.step)
    return code, termination.model_copy(update=named)


def _of_error(error: BaseException, secrets: Iterable[str]) -> tuple[int, Termination]:
    if isinstance(error, StoppedError):
        return ExitCode.STOPPED, Termination(
            reason=TerminationReason.STOPPED if error.saved else TerminationReason.STOPPED_UNSAVED,
            message=str(error),
            last_step=error.last_step,
            committed_uri=error.committed_uri,
            committed=error.committed,
            dropped_seconds=measured(error.dropped_seconds, places=3),
        )
    if isinstance(error, RefusedError):
        return ExitCode.REFUSED, Termination(
            reason=error.reason,
            message=redact(str(error.args[0]), secrets)[:1024],
            field_path=None if error.field_path is None else error.field_path[:256],
            value=None if error.value is None else redact(error.value, secrets)[:256],
        )
    text = words_of(error, most=1_000_000)  # cut below: half a secret would be taken for none
    return CRASHED, Termination(reason=TerminationReason.CRASHED, message=redact(text, secrets)[:1024])


def write(termination: Termination, path: Path) -> None:
    """Writes the message where the kubelet reads it; a failure to do so is only logged."""
    try:
        with path.open("r+b") as file:  # the kubelet has made it; elsewhere none must come into being
            file.write(termination.to_log())
            file.truncate()
    except OSError as error:
        _log.warning("termination: %s can't be written (%s)", path, type(error).__name__)

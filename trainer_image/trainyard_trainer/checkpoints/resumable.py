"""Finds the checkpoint of its own that a run goes on from.

Place in the data's way: from station 9 back to station 4. Whether there is one is asked of the storage at every start,
of nobody else. A checkpoint counts only if every digest holds and the ledger has the rows of its steps; else the one
before it does. One that is whole but can't be read was written by another version of the trainer: an older one that can
be read counts, but no run begins again for it, since that version could still use it. The reference of a penalty is the
run's first weights, so those are loaded first and these after.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import torch

from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.files import (
    TRAINER_STATE_FILE,
    Committed,
    State,
    UnknownLayoutError,
    all_committed,
    load_checkpoint,
    named_state,
    require_broken,
)
from trainyard_trainer.errors import RefusedError, TrainerError
from trainyard_trainer.sinks import SavedCheckpoint
from trainyard_trainer.storage.storage import Storage

_log = logging.getLogger(__name__)

MAX_UNREADABLE: Final = 3
"""Checkpoints that are whole but can't be read, after which no older one is tried: each costs its whole download."""
_SHOWN_CHARACTERS: Final = 256

Reason = Callable[[Committed], str | None]
"""Why a run can't go on from a checkpoint, as far as its address and manifest tell; None where it can."""
FetchedReason = Callable[[Committed, Path], str | None]
"""The same, with its files in a local folder at hand; raises `UnreadableError` where they can't be read."""
T = TypeVar("T")


class UnreadableError(RefusedError):
    """Refuses a checkpoint of the run that is whole, but that this trainer can't read.

    Attributes:
        uri: its folder.
        why: what was wrong, in a library's words.
    """

    def __init__(self, uri: str, why: str) -> None:
        self.uri = uri
        self.why = why
        super().__init__(
            TerminationReason.CHECKPOINT_NOT_FOUND,
            f"must be a checkpoint that this trainer can read ({why}), for its digests hold: another version of it "
            "wrote it; go on with that version, or move the folder away to go on from what is left",
            field_path=uri,
        )


@dataclass(frozen=True, slots=True)
class Resumed:
    """Holds a checkpoint that a run goes on from, its files in a local folder."""

    saved: SavedCheckpoint
    folder: Path

    @property
    def whole(self) -> bool:
        """Tells whether it holds all weights; of a run that trains an adapter only the final checkpoint does."""
        return any(self.folder.glob("*.safetensors"))


@dataclass(frozen=True, slots=True)
class _Passed:
    """Holds a checkpoint that the run doesn't go on from, and why."""

    uri: str
    why: str
    unreadable: bool = False

    @property
    def state(self) -> State:
        """Tells where it stands; what isn't named for a state is older than all that is."""
        return named_state(self.uri) or (-1, 0)


def find_resumable(
    storage: Storage,
    prefix: str,
    run_uid: str,
    into: Path,
    *,
    why_not: Reason = lambda _: None,
    why_not_fetched: FetchedReason = lambda *_: None,
    unreadable: Mapping[str, str] | None = None,
    say: Callable[[str], None] = _log.warning,
) -> Resumed | None:
    """Finds the newest committed checkpoint that a run can go on from; None where the run begins.

    Args:
        storage: where the run writes its checkpoints.
        prefix: the run's key prefix, with its trailing slash.
        run_uid: the run's; a manifest that names another isn't its checkpoint.
        into: a folder that may be emptied; gets the files.
        why_not: asked before a checkpoint is fetched.
        why_not_fetched: asked after that.
        unreadable: addresses of those that were tried already and couldn't be restored, and why.
        say: is told in a line each which were passed over, and why.

    Raises:
        UnreadableError: what is left was written by another version of the trainer.
        RefusedError: the storage itself is refused.
    """
    passed: list[_Passed] = []
    known, tried = dict(unreadable or {}), 0

    def broken(uri: str, error: RefusedError) -> None:
        passed.append(_Passed(uri, _words_of(error), isinstance(error, UnknownLayoutError)))

    for committed in all_committed(storage, prefix, broken):
        if committed.manifest.run_uid != run_uid:
            _log.warning("resume: %s passed over; it is of run %s", committed.uri, committed.manifest.run_uid)
            continue
        if tried == MAX_UNREADABLE:
            break
        fault = _fetch(storage, committed, into, unreadable=known, why_not=why_not, why_not_fetched=why_not_fetched)
        if fault is None:
            _tell(passed, committed.state, say)
            _log.info("resume: going on from %s, digests verified", committed.uri)
            return Resumed(committed.saved(), into)
        passed.append(fault)
        tried += fault.unreadable
    newest = max((one for one in passed if one.unreadable), key=lambda one: one.state, default=None)
    if newest is not None:
        raise UnreadableError(newest.uri, newest.why)
    _tell(passed, None, say)
    return None


def _fetch(
    storage: Storage,
    committed: Committed,
    into: Path,
    *,
    unreadable: Mapping[str, str],
    why_not: Reason,
    why_not_fetched: FetchedReason,
) -> _Passed | None:
    """Copies a checkpoint's files into an emptied folder; says why if the run can't go on from it."""
    uri = committed.uri
    if (why := unreadable.get(uri)) is not None:
        return _Passed(uri, why, unreadable=True)
    if (why := why_not(committed)) is None:
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        try:
            load_checkpoint(storage, uri, committed.digest, into)
            why = why_not_fetched(committed, into)
        except UnreadableError as error:
            return _Passed(uri, error.why, unreadable=True)
        except RefusedError as error:
            require_broken(error)
            why = _words_of(error)
    return None if why is None else _Passed(uri, why)


def going_on(find: Callable[[Mapping[str, str]], Resumed | None], work: Callable[[Resumed | None], T]) -> T:
    """Does a run's work from the newest checkpoint on that can be restored.

    Args:
        find: `find_resumable`, given those that couldn't.
        work: `run`; called again, with another checkpoint, where it ended with an `UnreadableError`, before which it
            must have changed nothing.
    """
    unreadable: dict[str, str] = {}
    while True:
        resumed = find(unreadable)
        try:
            return work(resumed)
        except UnreadableError as error:
            unreadable[error.uri] = error.why
        gc.collect()  # a model's modules refer to each other, so only this gives its memory back


@contextlib.contextmanager
def reading(uri: str) -> Iterator[None]:
    """Turns what reading a file of another layout raises into an UnreadableError.

    Want of memory and of a disk aren't the file's fault, and pass.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise UnreadableError(uri, f"there is no {TRAINER_STATE_FILE}") from error
    except (TrainerError, MemoryError, torch.OutOfMemoryError, OSError):
        raise
    except Exception as error:  # torch, and a layout that isn't known, may raise anything
        said = " ".join(str(error).split())[:_SHOWN_CHARACTERS]
        raise UnreadableError(uri, f"{type(error).__name__}: {said}") from error


def _tell(passed: list[_Passed], chosen: State | None, say: Callable[[str], None]) -> None:
    """Says which checkpoints newer than the chosen one were passed over: each reason once, with the newest of them."""
    newer = sorted((one for one in passed if chosen is None or one.state > chosen), key=lambda one: one.state)
    if not newer:
        return
    newest = newer.pop()
    told = {newest.why}
    for one in reversed(newer):
        if one.why not in told:
            told.add(one.why)
            say(f"passed over {one.uri}: {one.why}")
    instead = "beginning again at step 0" if chosen is None else f"going on from step {_words(chosen)}"
    say(f"{instead} instead of {_words(newest.state)}, {newest.uri}: {newest.why}")


def _words(state: State) -> str:
    step, further = state
    return f"{step}, {further - 1} updates further" if further else str(step)


def _words_of(error: RefusedError) -> str:
    """Joins rule and value; the field isn't one of a run's own checkpoint."""
    return f"{error.args[0]}" + ("" if error.value is None else f"; got {error.value!r}")

"""One process to a run: the lock that it holds while it writes to the run's folder.

Place in the data's way: station 1, where there is no cluster and so no attempt that a ledger would name. The kernel
gives the lock back however the process ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.storage.durable import make_folder

LOCK_FILE: Final = ".lock"
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})
"""What file systems say that have no locks."""


@contextlib.contextmanager
def only_process(folder: Path, say: Callable[[str], None] = print) -> Iterator[None]:
    """Holds a run's folder, which is made where it isn't there.

    Args:
        folder: of one run.
        say: is told where the file system has no locks.

    Raises:
        RefusedError: FENCED; another process holds it. STORAGE_UNAVAILABLE; the folder can't be written.
    """
    path = folder / LOCK_FILE
    try:
        make_folder(folder)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        rule = f"must be a file that can be written ({error.strerror}), for a run locks its folder; move it away"
        raise RefusedError(
            TerminationReason.STORAGE_UNAVAILABLE, rule, field_path="--output", value=str(path)
        ) from error
    try:
        _lock(descriptor, folder, say)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path, say: Callable[[str], None]) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        said = re.match(rb"[0-9]{1,10}", os.pread(descriptor, 16, 0))
        which = f"process {said[0].decode()}" if said else "another process"
        raise RefusedError(
            TerminationReason.FENCED,
            f"must be a run that no other process trains; {which} does, so wait for its end, or stop it",
            field_path="--resume",
            value=str(folder),
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        say(f"{folder} can't be locked ({error.strerror}): see to it that no other process goes on with this run")

"""Brings files and their names to the disk, so that a machine's crash can't undo them.

Place in the data's way: stations 9 and 10, where they are a folder. A file's bytes and the name that it has are two
things that a disk learns of one by one.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

_NOT_FOR_FOLDERS = frozenset({errno.EINVAL, errno.ENOTSUP})
"""What file systems say that write names at once, or can't be told to."""


def flush_folder(folder: Path) -> None:
    """Brings the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_FOR_FOLDERS:
            raise
    finally:
        os.close(descriptor)


def flush_file(path: Path) -> None:
    """Brings a file's bytes to the disk, whoever wrote them."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, and brings their names to the disk."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        flush_folder(one.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Puts a file in the place of another, or of none: whole or not at all."""
    aside = path.with_name(f".{path.name}")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    flush_folder(path.parent)

"""Keeps copies of files on this machine's disk until they are written to a storage.

Place in the data's way: station 9. Copies lie where TMPDIR says: in a pod on the node's disk, in the emptyDir `cache`;
where TMPDIR is a tmpfs, in host memory. A copy loses its name as soon as it is made, so the system frees its space when
the process ends, however that happens; a process that is killed while it copies may leave a folder `snapshot-*`.
"""

from __future__ import annotations

import io
import os
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


class CopiedFile:
    """A file without a name, which only this process can read.

    Attributes:
        size_bytes: its length.

    Args:
        path: a file that may be removed from now on, and must not be written to.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._closed = weakref.finalize(self, os.close, self._descriptor)
        self.size_bytes = os.fstat(self._descriptor).st_size

    def open(self) -> BinaryIO:
        """Opens a stream of all bytes; it can still be read after `close`.

        Raises:
            ValueError: the file is closed.
        """
        if not self._closed.alive:
            raise ValueError("a file of a snapshot can't be opened once the snapshot is discarded")
        return io.BufferedReader(_Reader(os.dup(self._descriptor)))

    def close(self) -> None:
        """Frees the file's space, once its streams are closed too. The last reference that goes does the same."""
        self._closed()


def copy_files(write: Callable[[Path], object]) -> dict[str, CopiedFile]:
    """Copies what `write` writes into a new folder of TMPDIR; the folder is gone when this returns.

    Args:
        write: is given the folder.

    Returns: the files by their path below the folder, slash-separated.

    Raises:
        OSError: the disk is full, or can't be written to.
    """
    with tempfile.TemporaryDirectory(prefix="snapshot-") as name:
        folder = Path(name)
        write(folder)
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): CopiedFile(path) for path in found}


class _Reader(io.RawIOBase):
    """Reads a file from its first byte; a copied descriptor shares its position with others, so this has its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = os.preadv(self._descriptor, [buffer], self._position)
        self._position += read
        return read

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence, os.fstat(self._descriptor).st_size)
        self._position = start + offset
        return self._position

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()

"""Defines what a storage does: files in a bucket or in a folder, behind one protocol.

Place in the data's way: station 9 (and station 4, for first weights that lie in a bucket). Keys are slash-separated
paths below the storage's root. A storage knows nothing of checkpoints, and never deletes.

A missing bucket and refused credentials are the user's mistake (`RefusedError`); a server that can't be reached is not,
and stays the client library's own exception: a crash, which is worth another attempt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Describes one file: its key below the root, its length, and when it was last written."""

    key: str
    size_bytes: int
    modified: datetime


class Storage(Protocol):
    """Keeps files by key. `get` and `download` raise FileNotFoundError for a key that isn't there."""

    def check(self, *, write: bool) -> None:
        """Finds out now whether it can be read, and written where `write` is set; leaves nothing behind."""

    def uri(self, key: str) -> str:
        """Gives the address of a key, as manifests and people write it."""

    def key_of(self, uri: str) -> str | None:
        """Gives the key of an address; None when it lies elsewhere."""

    def put(self, key: str, content: bytes | BinaryIO) -> None:
        """Writes a file from bytes, or from a stream that can seek; readers see all of it or nothing."""

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Writes a small file unless the key exists; False when it does. Of several writers one wins."""

    def get(self, key: str) -> bytes:
        """Reads a small file."""

    def download(self, key: str, into: Path) -> None:
        """Copies a file of any size to a path whose folder exists."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Lists every file whose key begins with the prefix."""

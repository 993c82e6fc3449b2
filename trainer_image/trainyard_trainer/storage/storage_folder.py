"""Keeps files in a folder of this machine, laid out like a bucket.

Place in the data's way: station 9, where a run has no cluster. Files appear whole or not at all; none is deleted. A
file, and the name that it has, is on the disk before the call that wrote it returns: what is written after it, `COMMIT`
last, never outlives it.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from trainyard_trainer.storage.durable import flush_folder, make_folder
from trainyard_trainer.storage.storage import StoredObject


class FolderStorage:
    """Keeps files in a folder; each is written under another name and renamed, so that it appears whole."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def check(self, *, write: bool) -> None:
        """Makes the folder where it may be written, and try to.

        Raises:
            OSError: it can't be made, or no file can be made in it.
        """
        if write:
            self._root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._root):
                pass

    def uri(self, key: str) -> str:
        """Gives `file://<absolute path>`."""
        tail = "/" if key.endswith("/") else ""
        return (self._root / key).as_uri() + tail

    def key_of(self, uri: str) -> str | None:
        """Gives the path below this folder."""
        parts = urlsplit(uri)
        path = Path(unquote(parts.path))
        if parts.scheme != "file" or not path.is_relative_to(self._root) or ".." in path.parts:
            return None
        return path.relative_to(self._root).as_posix() + ("/" if uri.endswith("/") else "")

    def put(self, key: str, content: bytes | BinaryIO) -> None:
        """Writes aside and rename."""
        with self._aside(key, content) as aside:
            target = self._path(key)
            aside.replace(target)
            flush_folder(target.parent)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Writes aside and link: a link to a name that exists fails, a rename would not."""
        with self._aside(key, content) as aside:
            target = self._path(key)
            try:
                os.link(aside, target)
            except FileExistsError:
                return False
            flush_folder(target.parent)
        return True

    def get(self, key: str) -> bytes:
        """Reads it; a folder is no file of that key."""
        with _only_files():
            return self._path(key).read_bytes()

    def download(self, key: str, into: Path) -> None:
        """Copies it; a folder is no file of that key."""
        with _only_files():
            source = self._path(key).open("rb")
        with source, into.open("wb") as target:
            while chunk := source.read(1 << 20):
                target.write(chunk)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Lists every whole file; those being written have hidden names."""
        folder = self._root / prefix.rpartition("/")[0]
        for path in sorted(folder.rglob("*")):
            key = path.relative_to(self._root).as_posix()
            if key.startswith(prefix) and path.is_file() and not path.name.startswith("."):
                status = path.stat()
                yield StoredObject(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def _path(self, key: str) -> Path:
        """Finds where a key's file lies; never outside of this folder."""
        if ".." in Path(key).parts or Path(key).is_absolute():
            raise ValueError(f"a key leads below the storage's root; got {key!r}")
        return self._root / key

    @contextlib.contextmanager
    def _aside(self, key: str, content: bytes | BinaryIO) -> Iterator[Path]:
        target = self._path(key)
        make_folder(target.parent)
        aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        source = io.BytesIO(content) if isinstance(content, bytes) else content
        try:
            with aside.open("xb") as file:
                while chunk := source.read(1 << 20):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            yield aside
        finally:
            aside.unlink(missing_ok=True)


@contextlib.contextmanager
def _only_files() -> Iterator[None]:
    """Says that there is no such key where a folder stands in a file's place, or a file in a folder's."""
    try:
        yield
    except (IsADirectoryError, NotADirectoryError) as error:
        raise FileNotFoundError(error.errno, "there is no file of this key", error.filename) from error

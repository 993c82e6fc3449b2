"""Rows that wait for the database, as files: on this machine's disk, and in a checkpoint's folder `rows/`.

Place in the data's way: between station 10 and station 9. Each table that has rows is one file,
`<table>.jsonl.gz`: gzip over lines as `row_lines` writes them. `rows.json` says the version of this format, and of each
table how many rows and bytes of lines its file has; a reader takes neither more nor fewer. Files on this machine have
no names, so that their space is freed when the process ends, however that happens.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import tempfile
import threading
import weakref
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeGuard

from trainyard_api.run_config import RunIdentity
from trainyard_api.table import Row, Table
from trainyard_trainer.ledger.row_batch import WRITTEN_TABLES, RowBatch
from trainyard_trainer.ledger.row_lines import MAX_LINE_BYTES, from_line, to_line

VERSION: Final = 1
INDEX_FILE: Final = "rows.json"
_MAX_INDEX_BYTES: Final = 2**16
_MAX_TABLE_BYTES: Final = 2**36
"""Most bytes of lines that a table's file may hold, unpacked."""
_CHUNK_BYTES: Final = 2**20
_FILE_BYTES: Final = 2**24
"""A spool's file that is so long gets no more batches: one is open for so many bytes that wait."""
_LEVEL: Final = 1
"""Of compression: training waits for it."""


class Spool:
    """Keeps packed lines of many batches in few files without names, which are freed one by one as batches are.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: _File | None = None

    def pack(self, lines_of: Mapping[str, Iterable[bytes]]) -> dict[str, KeptTable]:
        """Packs lines by the table's name, all or none; tables without lines are left out.

        Raises:
            OSError: the disk is full, or no file can be made.
        """
        with self._lock:
            if self._file is None or self._file.size >= _FILE_BYTES:
                self._file = _File()
            made = self._file.append(lines_of)
        return {name: kept for name, kept in made.items() if kept.rows}


class _File:
    """A file without a name, closed with the last batch in it."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as file:
            self.descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self.descriptor)
        self.size = 0

    def append(self, lines_of: Mapping[str, Iterable[bytes]]) -> dict[str, KeptTable]:
        """Packs lines at the end, each table's as a gzip stream of its own."""
        os.lseek(self.descriptor, self.size, os.SEEK_SET)  # behind it lies what an attempt left that found no space
        with open(self.descriptor, "wb", closefd=False) as file:
            made = {name: self._packed(file, lines) for name, lines in lines_of.items()}
        self.size = os.lseek(self.descriptor, 0, os.SEEK_CUR)
        return made

    def _packed(self, file: BinaryIO, lines: Iterable[bytes]) -> KeptTable:
        start, rows, line_bytes = file.tell(), 0, 0
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_LEVEL, mtime=0) as packed:
            for line in lines:
                packed.write(line)
                rows += 1
                line_bytes += len(line)
        return KeptTable(self, start, file.tell() - start, rows, line_bytes)


@dataclass(frozen=True, slots=True)
class KeptTable:
    """Keeps a table's lines, packed, as a part of a spool's file.

    Attributes:
        start: where in the file they begin.
        packed_bytes: their length there.
        rows: how many lines.
        line_bytes: their length, unpacked.
    """

    file: _File
    start: int
    packed_bytes: int
    rows: int
    line_bytes: int

    def chunks(self) -> Iterator[bytes]:
        """Reads the packed bytes; several readers don't disturb each other."""
        position, end = self.start, self.start + self.packed_bytes
        while chunk := os.pread(self.file.descriptor, min(_CHUNK_BYTES, end - position), position):
            yield chunk
            position += len(chunk)


class KeptRows:
    """Keeps a batch on this machine's disk, and gives its rows as the batch does.

    Args:
        run_uid: the run whose rows they are.
        batch: the rows.
        spool: where to; by default one of its own.

    Attributes:
        packed_bytes: what it takes of the disk.
        rows: how many rows it has.

    Raises:
        OSError: the disk is full.
    """

    def __init__(self, run_uid: str, batch: RowBatch, spool: Spool | None = None) -> None:
        self._run_uid = run_uid
        lines_of = {table.name: map(partial(to_line, table), batch.of(table)) for table in WRITTEN_TABLES}
        self.tables = (spool or Spool()).pack(lines_of)
        self.packed_bytes = sum(kept.packed_bytes for kept in self.tables.values())
        self.rows = sum(kept.rows for kept in self.tables.values())

    def of(self, table: Table[Row]) -> Iterator[Row]:
        """Gives a table's rows."""
        kept = self.tables.get(table.name)
        if kept is not None:
            for line in _lines(kept.chunks(), kept.line_bytes):
                yield from_line(table, line, self._run_uid)


def free_bytes() -> int:
    """Returns how many bytes are free where rows wait, as the file system says; a pod's own bound isn't in it."""
    volume = os.statvfs(tempfile.gettempdir())
    return volume.f_bavail * volume.f_frsize


def write_files(kept: Iterable[KeptRows], folder: Path) -> int:
    """Writes kept rows as the files of a folder, which it makes, and returns how many rows they are."""
    folder.mkdir()
    index: dict[str, dict[str, int]] = {}
    for rows in kept:
        for name, table in rows.tables.items():
            entry = index.setdefault(name, {"rows": 0, "bytes": 0})
            entry["rows"] += table.rows
            entry["bytes"] += table.line_bytes
            with _table_file(folder, name).open("ab") as file:  # packed streams one after the other are one
                file.writelines(table.chunks())
    (folder / INDEX_FILE).write_text(json.dumps({"version": VERSION, "tables": index}))
    return sum(entry["rows"] for entry in index.values())


@dataclass(frozen=True, slots=True)
class RowFiles:
    """Gives the rows of a folder that `write_files` wrote; user code could have written it too, so nothing is believed.

    Raises from `of` and `check`:
        ValueError: the files hold something else than this format says, or rows of a later attempt.
    """

    folder: Path
    run: RunIdentity

    def of(self, table: Table[Row]) -> Iterator[Row]:
        """Gives a table's rows."""
        expected = self._index().get(table.name)
        if expected is None:
            return
        seen = 0
        with _opened(_table_file(self.folder, table.name)) as file:
            for line in _lines(iter(lambda: file.read(_CHUNK_BYTES), b""), expected[1]):
                row = from_line(table, line, self.run.uid)
                if not 1 <= getattr(row, "attempt", 1) <= self.run.attempt:
                    raise ValueError(f"{table.name}: its rows must be of attempts up to {self.run.attempt}")
                seen += 1
                yield row
        if seen != expected[0]:
            raise ValueError(f"{table.name}: must have {expected[0]} rows; has {seen}")

    def check(self) -> int:
        """Reads all of it, and returns how many rows there are."""
        return sum(1 for table in WRITTEN_TABLES for _ in self.of(table))

    def _index(self) -> dict[str, tuple[int, int]]:
        """Reads how many rows and bytes each table has."""
        with _opened(self.folder / INDEX_FILE) as file:
            text = file.read(_MAX_INDEX_BYTES + 1)
        index = json.loads(text) if len(text) <= _MAX_INDEX_BYTES else None
        if not isinstance(index, dict) or index.get("version") != VERSION:
            raise ValueError(f"{INDEX_FILE} must be of version {VERSION}")
        tables = index.get("tables")
        known = {table.name for table in WRITTEN_TABLES}
        if not isinstance(tables, dict) or not set(tables) <= known:
            raise ValueError(f"{INDEX_FILE} must name tables of {sorted(known)}")
        return {name: _counts(name, entry) for name, entry in tables.items()}


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise ValueError(f"must have the file {path.name}") from error


def _counts(name: str, entry: Any) -> tuple[int, int]:
    rows, line_bytes = (entry.get("rows"), entry.get("bytes")) if isinstance(entry, dict) else (None, None)
    if _is_count(rows) and _is_count(line_bytes):
        return rows, line_bytes
    raise ValueError(f"{INDEX_FILE}: {name} must have whole numbers of rows and bytes")


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= _MAX_TABLE_BYTES


def _table_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.jsonl.gz"


def _lines(packed: Iterator[bytes], line_bytes: int) -> Iterator[bytes]:
    """Unpacks lines without their ends, within bounds.

    Raises:
        ValueError: it isn't gzip, a line is too long, or the lines have another length in all.
    """
    stream, left = io.BufferedReader(gzip.GzipFile(fileobj=_Chunks(packed), mode="rb")), line_bytes
    while True:
        try:
            line = stream.readline(min(left, MAX_LINE_BYTES) + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError("its files must be packed as gzip does") from error
        left -= len(line)
        if not line and not left:
            return
        if left < 0 or not line.endswith(b"\n"):
            raise ValueError("its files must hold as many bytes of lines as the index says, in lines of bounded length")
        yield line[:-1]


class _Chunks(io.RawIOBase):
    """Reads chunks as one stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._chunks, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

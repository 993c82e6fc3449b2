"""Rows that wait for the database, as files: on this machine's disk, and in a checkpoint's folder `rows/`.

Place in the data's way: between station 10 and station 9. Each table that has rows is one file,
`<table>.jsonl.gz`: gzip over lines as `row_lines` writes them. `rows.json` says the version of this format, and of each
table how many rows and bytes of lines its file has; a reader takes neither more nor fewer. A file on this machine has
no name, so that its space is freed when the process ends, however that happens.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import tempfile
import weakref
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
_LEVEL: Final = 1
"""Of compression: training waits for it."""


class KeptTable:
    """Keeps a table's lines, packed, in a file without a name.

    Attributes:
        rows: how many lines.
        line_bytes: their length, unpacked.
        packed_bytes: the file's length.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.rows = self.line_bytes = 0
        with tempfile.TemporaryFile() as file:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_LEVEL, mtime=0) as packed:
                for line in lines:
                    packed.write(line)
                    self.rows += 1
                    self.line_bytes += len(line)
            file.flush()
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self.packed_bytes = os.fstat(self._descriptor).st_size

    def chunks(self) -> Iterator[bytes]:
        """Reads the packed bytes; several readers don't disturb each other."""
        position = 0
        while chunk := os.pread(self._descriptor, _CHUNK_BYTES, position):
            yield chunk
            position += len(chunk)


class KeptRows:
    """Keeps a batch on this machine's disk, and gives its rows as the batch does; its space is freed with it.

    Args:
        run_uid: the run whose rows they are.
        batch: the rows.

    Raises:
        OSError: the disk is full.
    """

    def __init__(self, run_uid: str, batch: RowBatch) -> None:
        self._run_uid = run_uid
        made = {table.name: KeptTable(to_line(table, row) for row in batch.of(table)) for table in WRITTEN_TABLES}
        self.tables = {name: kept for name, kept in made.items() if kept.rows}

    @property
    def packed_bytes(self) -> int:
        """Adds up what it takes of the disk."""
        return sum(kept.packed_bytes for kept in self.tables.values())

    @property
    def rows(self) -> int:
        """Counts its rows."""
        return sum(kept.rows for kept in self.tables.values())

    def of(self, table: Table[Row]) -> Iterator[Row]:
        """Gives a table's rows."""
        kept = self.tables.get(table.name)
        if kept is not None:
            for line in _lines(kept.chunks(), kept.line_bytes):
                yield from_line(table, line, self._run_uid)


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

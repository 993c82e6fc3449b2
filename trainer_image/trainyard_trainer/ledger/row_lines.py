"""Rows of the contract's tables as lines of JSON, and back: what isn't a row of its table is refused.

Place in the data's way: station 10, between a row and a file. A line is one object that has a member for each written
column but `run_uid`, by the column's name; times are ISO 8601 with their zone. Pure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from trainyard_api.table import Column, Row, SqlType, Table
from trainyard_trainer.readable import readable

RUN: Final = "run_uid"
"""Column that no line has: rows are of the run that reads them."""
MAX_LINE_BYTES: Final = 2**26
"""Longest line: a segment of about a million tokens."""


def to_line(table: Table[Row], row: Row) -> bytes:
    """Writes a row as a line with its line's end.

    Raises:
        ValueError: it is longer than MAX_LINE_BYTES.
    """
    members = {column.name: _plain(getattr(row, column.name)) for column in table.written if column.name != RUN}
    line = json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"a row of {table.name} must have at most {MAX_LINE_BYTES} bytes; got {len(line)}")
    return line


def from_line(table: Table[Row], line: bytes, run_uid: str) -> Row:
    """Reads a row of a run.

    Raises:
        ValueError: the line isn't one that `to_line` writes for this table.
    """
    try:
        members = json.loads(line, parse_constant=_infinity)
    except RecursionError as error:
        raise ValueError("its values must not be nested so deep") from error
    expected = {column.name for column in table.written} - {RUN}
    if not isinstance(members, dict) or set(members) != expected:
        raise ValueError(f"a row of {table.name} has the columns {sorted(expected)}")
    values = {column.name: _value(column, members[column.name]) for column in table.written if column.name != RUN}
    if any(column.name == RUN for column in table.written):
        values[RUN] = run_uid
    return table.row(**values)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _infinity(text: str) -> float:
    """Reads the numbers that JSON hasn't; columns hold no NaN."""
    if text == "NaN":
        raise ValueError("a number that doesn't exist must be null")
    return float(text.replace("Infinity", "inf"))


def _value(column: Column, value: Any) -> Any:
    """Reads a column's value."""
    if value is None and column.nullable:
        return None
    if column.type is SqlType.TIME and isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not _FITS[column.type](value):
        raise ValueError(f"{column.name}: must be {column.type}{' or null' if column.nullable else ''}")
    return value


def _is_integer(bits: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)


def _is_double(value: Any) -> bool:
    return (type(value) is int and abs(value) < 2**1023) or (type(value) is float and not math.isnan(value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and readable(value) == value


def _lists(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


_FITS: Final[Mapping[SqlType, Callable[[Any], bool]]] = {
    SqlType.TEXT: _is_text,
    SqlType.INTEGER: _is_integer(32),
    SqlType.BIGINT: _is_integer(64),
    SqlType.BOOLEAN: lambda value: isinstance(value, bool),
    SqlType.DOUBLE: _is_double,
    SqlType.MONEY: lambda _: False,  # no trainer writes money
    SqlType.JSON: lambda value: isinstance(value, dict),
    SqlType.TIME: lambda value: isinstance(value, datetime) and value.tzinfo is not None,
    SqlType.INTEGERS: _lists(_is_integer(32)),
    SqlType.BOOLEANS: _lists(lambda value: isinstance(value, bool)),
    SqlType.DOUBLES: _lists(lambda value: value is None or _is_double(value)),
}

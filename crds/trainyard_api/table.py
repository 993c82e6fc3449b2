"""A table of the ledger as data: its columns, their types, its key, and the row that a writer makes.

Place in the data's way: station 10. A row is a frozen dataclass whose fields are annotated with the types below; a
`Table` is read from it, so that a column's name stands once. No SQL and no I/O: writers and readers compose their
statements from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from types import NoneType
from typing import Annotated, Any, Generic, TypeVar, get_args, get_type_hints

T = TypeVar("T")
Row = TypeVar("Row")


class SqlType(StrEnum):
    """Types of columns, as Postgres' `format_type` writes them."""

    TEXT = "text"
    INTEGER = "integer"
    BIGINT = "bigint"
    BOOLEAN = "boolean"
    DOUBLE = "double precision"
    MONEY = "numeric(18,6)"
    JSON = "jsonb"
    TIME = "timestamp with time zone"
    INTEGERS = "integer[]"
    BOOLEANS = "boolean[]"
    DOUBLES = "double precision[]"


class Mark(Enum):
    """What a column is besides its type."""

    KEY = "key"
    """A part of the primary key, in the order of the fields."""
    VOLATILE = "volatile"
    """An exact continuation of a run may fill it otherwise: which attempt wrote a row, when, and how long it took."""


Text = Annotated[str, SqlType.TEXT]
Integer = Annotated[int, SqlType.INTEGER]
Bigint = Annotated[int, SqlType.BIGINT]
Boolean = Annotated[bool, SqlType.BOOLEAN]
Double = Annotated[float, SqlType.DOUBLE]
Money = Annotated[Decimal, SqlType.MONEY]
"""US dollars with six decimal places, never a float."""
Json = Annotated[Mapping[str, Any], SqlType.JSON]
"""A JSON object; it holds no NaN."""
Time = Annotated[datetime, SqlType.TIME]
Integers = Annotated[list[int], SqlType.INTEGERS]
Booleans = Annotated[list[bool], SqlType.BOOLEANS]
Doubles = Annotated[list[float | None], SqlType.DOUBLES]
"""Numbers, None where there is none; they hold no NaN."""

Key = Annotated[T, Mark.KEY]
Volatile = Annotated[T, Mark.VOLATILE]


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `volatile` as `Mark.VOLATILE` says."""

    name: str
    type: SqlType
    nullable: bool = False
    volatile: bool = False


@dataclass(frozen=True, slots=True)
class Table(Generic[Row]):
    """A table of the ledger.

    `written` are the columns that an INSERT names, in the order of the row's fields; `filled` those that it leaves to
    the database: defaults, computed columns, and what a later UPDATE sets. `key` are the names of the primary key.
    """

    name: str
    row: type[Row]
    key: tuple[str, ...]
    written: tuple[Column, ...]
    filled: tuple[Column, ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """Lists all columns: those that are written, then those that are filled."""
        return self.written + self.filled


def table(name: str, row: type[Row], *filled: Column) -> Table[Row]:
    """Reads a table from the dataclass of its rows.

    Args:
        name: of the table, without its schema.
        row: each field annotated with one of the types above, `| None` where the column may be null.
        filled: columns that are no fields of the row.

    Raises:
        ValueError: a field's annotation names no type of a column.
    """
    hints = get_type_hints(row, include_extras=True)
    read = [_column(field.name, hints[field.name]) for field in fields(row)]  # type: ignore[arg-type]
    key = tuple(column.name for column, marks in read if Mark.KEY in marks)
    return Table(name, row, key, tuple(column for column, _ in read), filled)


def _column(name: str, annotation: Any) -> tuple[Column, set[Any]]:
    """Reads a field as a column, with the marks of its annotation."""
    marks = _marks(annotation)
    found = [mark for mark in marks if isinstance(mark, SqlType)]
    if len(found) != 1:
        raise ValueError(f"{name}: a column must be annotated with one SQL type; got {len(found)}")
    return Column(name, found[0], _is_optional(annotation), Mark.VOLATILE in marks), marks


def _marks(annotation: Any) -> set[Any]:
    marks = set(getattr(annotation, "__metadata__", ()))
    for part in get_args(annotation):
        marks |= _marks(part)
    return marks


def _is_optional(annotation: Any) -> bool:
    # An annotated union hides its members one level deeper.
    bare = getattr(annotation, "__origin__", annotation) if hasattr(annotation, "__metadata__") else annotation
    return NoneType in get_args(bare)

"""SQL statements that name tables and columns as the contract declares them.

Place in the data's way: station 10. A statement with a name that `trainyard_api.ledger` doesn't declare fails when its
module is imported.
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb

from trainyard_api import ledger
from trainyard_api.table import Row, SqlType, Table

_NAMES: Final = {name: sql.Identifier(*parts) for name, parts in ledger.IDENTIFIERS.items()}


def statement(text: LiteralString) -> sql.Composed:
    """Composes a statement; `{runs}` in its text names a table with its schema, `{runs.uid}` a column alone.

    Raises:
        KeyError: the contract declares no such name.
    """
    return sql.SQL(text).format(**_NAMES)


def insert(table: Table[Any]) -> sql.Composed:
    """Composes the INSERT of one row, whose values `values` gives."""
    columns = sql.SQL(", ").join(_NAMES[f"{table.name}.{column.name}"] for column in table.written)
    places = sql.SQL(", ").join([sql.Placeholder()] * len(table.written))
    return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(_NAMES[table.name], columns, places)


def values(table: Table[Row], row: Row) -> list[Any]:
    """Lists a row's values in the order of the table's written columns, as psycopg takes them."""
    found = ((getattr(row, column.name), column.type) for column in table.written)
    return [Jsonb(value) if kind is SqlType.JSON and value is not None else value for value, kind in found]

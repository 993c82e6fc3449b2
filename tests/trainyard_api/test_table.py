"""Claims about tables that are read from their rows."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from trainyard_api.table import Column, Doubles, Integer, Key, SqlType, Text, Volatile, table


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A part of a row."""

    name: Key[Text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured(Named):
    """A row."""

    number: Key[Integer]
    values: Doubles
    older: Volatile[Text | None]
    spread: Volatile[Doubles] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Untyped:
    """A row with a field that is no column."""

    name: str


def test_a_column_is_what_its_field_is_annotated_with() -> None:
    """Type, nullability and volatility; numbers within an array that may be missing make no column nullable."""
    read = table("measured", Measured, Column("at", SqlType.TIME))
    assert read.written == (
        Column("name", SqlType.TEXT),
        Column("number", SqlType.INTEGER),
        Column("values", SqlType.DOUBLES),
        Column("older", SqlType.TEXT, nullable=True, volatile=True),
        Column("spread", SqlType.DOUBLES, nullable=True, volatile=True),
    )
    assert read.columns[-1] == read.filled[0] == Column("at", SqlType.TIME)


def test_the_key_is_in_the_order_of_the_fields() -> None:
    """Those of a base class come first."""
    assert table("measured", Measured).key == ("name", "number")


def test_a_field_without_an_sql_type_is_refused() -> None:
    """Rather than left out."""
    with pytest.raises(ValueError, match="name: a column must be annotated with one SQL type; got 0"):
        table("untyped", Untyped)

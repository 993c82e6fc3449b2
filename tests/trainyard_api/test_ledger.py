"""The declared tables are those of a migrated database, column by column."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields
from importlib import resources

import psycopg
import pytest

from tests import servers
from trainyard_api import ledger
from trainyard_api.names import DATABASE_SCHEMA

pytestmark = pytest.mark.integration

COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
           a.attgenerated <> '' OR EXISTS (SELECT FROM pg_attrdef d WHERE d.adrelid = c.oid AND d.adnum = a.attnum)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p')
"""
KEYS = """
    SELECT c.relname, array_agg(a.attname::text ORDER BY array_position(k.conkey, a.attnum))
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)
    WHERE n.nspname = %s AND k.contype = 'p' GROUP BY 1
"""
SHIPPED = {
    "0001_initial.sql": "bbba38352195f668ef9e7c4301c4ae5a12d8bca56f8a6e2c285774e0b43c0e53",
    "0002_exact_resume_and_evaluations.sql": "00a4e6960857f69b50f70abd7628ebb401d2cef027eacc53587dbab4fa3fa680",
}


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Postgres]:
    """One server for this file."""
    with servers.postgres() as running:
        yield running


def found(dsn: str) -> tuple[dict[tuple[str, str], tuple[str, bool]], dict[str, tuple[str, ...]]]:
    """Type and nullability of each column, and each table's primary key, as the database has them."""
    with psycopg.connect(dsn) as connection:
        columns = {(t, c): (kind, null) for t, c, kind, null, _ in connection.execute(COLUMNS, [DATABASE_SCHEMA])}
        keys = {table: tuple(names) for table, names in connection.execute(KEYS, [DATABASE_SCHEMA])}
    return columns, keys


def declared() -> tuple[dict[tuple[str, str], tuple[str, bool]], dict[str, tuple[str, ...]]]:
    """The same, as the contract has them."""
    columns = {(t.name, c.name): (c.type.value, c.nullable) for t in ledger.TABLES for c in t.columns}
    return columns, {table.name: table.key for table in ledger.TABLES}


def test_the_migrations_make_what_is_declared(server: servers.Postgres) -> None:
    """Every table, column, type, nullability and primary key of the database is in the contract, and no other."""
    assert found(server.database().owner) == declared()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE trainyard.runs ADD COLUMN colour text",
        "ALTER TABLE trainyard.turns DROP COLUMN top_p",
        "ALTER TABLE trainyard.checkpoints ALTER COLUMN parent_uri SET NOT NULL",
        "ALTER TABLE trainyard.checkpoints ALTER COLUMN step TYPE bigint",
        "ALTER TABLE trainyard.pod_spend ALTER COLUMN amount_usd TYPE numeric(18, 4)",
        "ALTER TABLE trainyard.pod_spend DROP CONSTRAINT pod_spend_pkey",
        "CREATE TABLE trainyard.webhooks (url text PRIMARY KEY)",
    ],
)
def test_a_change_of_the_schema_that_isnt_declared_is_noticed(server: servers.Postgres, change: str) -> None:
    """A migration without its declaration, or a declaration without its migration, fails the comparison above."""
    database = server.database()
    database.execute(change)
    assert found(database.owner) != declared()


def test_an_insert_may_leave_out_what_is_filled_and_nothing_else(server: servers.Postgres) -> None:
    """A filled column is null, has a default or is computed; a written one that lacks all three has to be given."""
    with psycopg.connect(server.database().owner) as connection:
        rows = connection.execute(COLUMNS, [DATABASE_SCHEMA]).fetchall()
    free = {(table, column) for table, column, _, nullable, default in rows if nullable or default}
    filled = {(table.name, column.name) for table in ledger.TABLES for column in table.filled}
    assert filled <= free


def test_a_shipped_migration_never_changes() -> None:
    """Databases have applied it: what follows goes into another file."""
    folder = resources.files("trainyard_api").joinpath("migrations")
    digests = {name: hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() for name in SHIPPED}
    assert digests == SHIPPED


def test_what_a_continuation_may_fill_otherwise_is_named_by_the_contract() -> None:
    """Times, durations, and which attempt wrote a row: nothing that training depends on."""
    assert {
        *("attempt", "started_at", "duration_seconds", "recorded_at"),
        *("timings", "rollout_seconds", "update_seconds", "step_seconds"),
    } == ledger.VOLATILE


def test_every_name_that_a_statement_may_use_is_a_table_or_a_column_of_one() -> None:
    """A table comes with its schema, a column alone, and a row has a field for each column that is written."""
    assert ledger.IDENTIFIERS["runs"] == ("trainyard", "runs")
    assert ledger.IDENTIFIERS["runs.last_write_at"] == ("last_write_at",)
    for table in ledger.TABLES:
        assert [field.name for field in fields(table.row)] == [column.name for column in table.written]

"""Bringing the database to the version of this code.

Place in the data's way: station 10, before the first reconcile pass. Each file `migrations/NNNN_name.sql` runs once, in
one transaction with its row in `schema_migrations`, and under an advisory lock, so that operators started together
apply it once. It writes the schema only, no rows of any run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import Final

import psycopg

from trainyard_api.ledger import SCHEMA_MIGRATIONS, MigrationRow
from trainyard_api.names import DATABASE_SCHEMA
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import MigrationError
from trainyard_operator.ledger.statements import insert, statement, values

_LOCK: Final = 0x7472_6169_6E79_7264
"""Key of the advisory lock: the bytes of "trainyrd"."""
_VERSION: Final = statement("SELECT coalesce(max({schema_migrations.version}), 0) FROM {schema_migrations}")
_APPLIED: Final = insert(SCHEMA_MIGRATIONS)
_FILE_NAME: Final = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from a version of the schema to the next."""

    version: int
    name: str
    sql: str


def available() -> tuple[Migration, ...]:
    """Lists the migrations that this code carries, in order.

    Raises:
        MigrationError: a file has another name than `NNNN_name.sql`, or the versions aren't 1, 2, 3, ...
    """
    found = []
    for file in resources.files("trainyard_api").joinpath("migrations").iterdir():
        match = _FILE_NAME.match(file.name)
        if match is None:
            raise MigrationError(f"migrations: every file must be named NNNN_name.sql; got {file.name!r}")
        found.append(Migration(int(match[1]), match[2], file.read_text("utf-8")))
    found.sort(key=lambda migration: migration.version)
    versions = [migration.version for migration in found]
    if versions != list(range(1, len(found) + 1)):
        raise MigrationError(f"migrations: versions must run from 1 without a gap; got {versions}")
    return tuple(found)


async def bring_up_to_date(ledger: Ledger) -> int:
    """Brings the operator's database to the newest version; returns how many migrations were applied.

    Raises:
        LedgerUnavailable: it failed.
    """
    return await ledger.run(lambda connection: len(apply(connection)))


def apply(connection: psycopg.Connection, migrations: tuple[Migration, ...] | None = None) -> list[Migration]:
    """Brings the database to the newest version; may be repeated, and from several processes at once.

    Args:
        connection: of the operator's own login, with no transaction open.
        migrations: another set than this code carries.

    Returns: what was applied now; empty where the database was up to date.

    Raises:
        MigrationError: the database is newer than this code, or the login lacks a right.
        psycopg.Error: the database failed.
    """
    migrations = available() if migrations is None else migrations
    applied = []
    try:
        _prepare(connection)
        # One transaction each: a later migration that fails keeps the earlier ones.
        while (migration := _apply_next(connection, migrations)) is not None:
            applied.append(migration)
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"database: the operator's login must own the database and have CREATEROLE; {connection.info.user!r} "
            f"was refused: {error.diag.message_primary}"
        ) from error
    return applied


def _prepare(connection: psycopg.Connection) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        exists = connection.execute("SELECT to_regclass('trainyard.schema_migrations') IS NOT NULL").fetchone()
        if exists is not None and exists[0]:
            return
        connection.execute("CREATE SCHEMA IF NOT EXISTS trainyard")
        connection.execute(
            """
            CREATE TABLE trainyard.schema_migrations (
                version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
            );
            COMMENT ON SCHEMA trainyard IS 'The ledger of the Trainyard operator and its trainers.';
            COMMENT ON TABLE trainyard.schema_migrations IS 'Versions of this schema that have been applied.';
            COMMENT ON COLUMN trainyard.schema_migrations.version IS 'Number of the migration''s file.';
            COMMENT ON COLUMN trainyard.schema_migrations.name IS 'Name of the migration''s file.';
            COMMENT ON COLUMN trainyard.schema_migrations.applied_at IS 'When it was applied.';
            """
        )


def _apply_next(connection: psycopg.Connection, migrations: tuple[Migration, ...]) -> Migration | None:
    """Applies the first migration that is missing; None when there is none."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        row = connection.execute(_VERSION).fetchone()
        version = 0 if row is None else int(row[0])
        if version > len(migrations):
            raise MigrationError(
                f"database: schema {DATABASE_SCHEMA} must not be newer than this operator, which knows version "
                f"{len(migrations)}; install a newer operator; got version {version}"
            )
        if version == len(migrations):
            return None
        migration = migrations[version]
        # A table that has grown for years may need longer than a statement of the operator's day; how long to wait for
        # other transactions stays as it is.
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute(migration.sql.encode())
        done = MigrationRow(version=migration.version, name=migration.name)
        connection.execute(_APPLIED, values(SCHEMA_MIGRATIONS, done))
        return migration

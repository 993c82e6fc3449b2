"""The ledger's schema comes into being once, whoever starts first, and never goes backwards."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests import servers
from trainyard_api.names import TRAINER_DATABASE_ROLE
from trainyard_operator.ledger import migrate
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import MigrationError
from trainyard_operator.ledger.migrate import Migration, apply, available

pytestmark = pytest.mark.integration

TABLES = {
    *("runs", "attempts", "trajectories", "segments", "turns", "training_metrics", "checkpoints", "pod_spend"),
    *("evaluations", "evaluation_answers"),
}


def versions(dsn: str) -> list[int]:
    """What a database says was applied."""
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute("SELECT version FROM trainyard.schema_migrations ORDER BY 1")]


def apply_to(dsn: str, *migrations: Migration) -> list[int]:
    """Apply these, or all that the code carries; the versions applied now."""
    with psycopg.connect(dsn) as connection:
        return [done.version for done in apply(connection, migrations or None)]


def test_a_new_database_gets_every_table_and_a_second_run_does_nothing(server: servers.Postgres) -> None:
    """The schema is made once; the operator may apply it at every start."""
    dsn = server.empty_database()
    everything = [migration.version for migration in available()]

    assert apply_to(dsn) == everything
    assert apply_to(dsn) == []

    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'trainyard'").fetchall()
    assert {name for (name,) in found} == TABLES | {"schema_migrations"}


def test_every_table_and_column_says_what_it_holds(server: servers.Postgres) -> None:
    r"""`\d+` in psql documents the ledger."""
    with psycopg.connect(server.database().owner) as connection:
        silent = connection.execute(
            """
            SELECT c.relname, a.attname
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'trainyard'
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
            WHERE c.relkind = 'r'
              AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)
            """
        ).fetchall()
    assert silent == []


def test_operators_started_together_apply_it_once(server: servers.Postgres) -> None:
    """Of eight processes at once each succeeds, and each version is applied by one of them."""
    dsn = server.empty_database()
    with ThreadPoolExecutor(8) as pool:
        applied = list(pool.map(lambda _: apply_to(dsn), range(8)))
    assert sorted(version for versions in applied for version in versions) == [m.version for m in available()]


def test_migrating_again_applies_nothing(ledger: Ledger) -> None:
    """The tick may ask as often as it likes."""
    assert asyncio.run(migrate.bring_up_to_date(ledger)) == 0


def test_a_newer_database_is_refused(server: servers.Postgres) -> None:
    """An older operator doesn't touch a schema that it doesn't know."""
    dsn = server.database().owner
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO trainyard.schema_migrations (version, name) VALUES (99, 'future')")
    with pytest.raises(MigrationError, match="install a newer operator; got version 99"):
        apply_to(dsn)


def test_a_migration_that_fails_leaves_the_version_before_it(server: servers.Postgres) -> None:
    """Each migration is one transaction: a later one's failure keeps the earlier ones and nothing of itself."""
    dsn = server.empty_database()
    good = Migration(1, "good", "CREATE TABLE trainyard.good (a int)")
    bad = Migration(2, "bad", "CREATE TABLE trainyard.bad (a int); SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        apply_to(dsn, good, bad)

    assert versions(dsn) == [1]
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT to_regclass('trainyard.good'), to_regclass('trainyard.bad')").fetchone()
    assert row == ("trainyard.good", None)


def test_a_trainer_of_version_1_goes_on_writing_after_version_2(server: servers.Postgres) -> None:
    """An upgrade of the operator costs no running trainer its run, and old rows count as trained in their own step."""
    dsn = server.empty_database()
    apply_to(dsn, available()[0])
    row = (
        "INSERT INTO trainyard.trajectories (run_uid, step, prompt, sample, attempt, group_id, task, question,"
        " expected, status, rewards, advantage, started_at, duration_seconds)"
        " VALUES ('r', %s, 0, 0, 1, 'g', 't', 'q', 'e', 'ok', '{}', 0, now(), 1)"
    )
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO trainyard.runs (uid, namespace, name, attempt) VALUES ('r', 'n', 'j', 1)")
        connection.execute(row, [0])
    assert apply_to(dsn) == [migration.version for migration in available()[1:]]
    with psycopg.connect(dsn) as connection:
        connection.execute(row, [1])
        found = connection.execute("SELECT step, coalesce(trained_step, step) FROM trainyard.trajectories ORDER BY 1")
        assert found.fetchall() == [(0, 0), (1, 1)]


def test_a_migration_may_take_longer_than_a_statement_of_the_operator(server: servers.Postgres) -> None:
    """The operator's time limit for statements doesn't keep a grown database from its next version."""
    unlimited = "DO $$ BEGIN ASSERT current_setting('statement_timeout') = '0'; END $$"
    slow = Migration(1, "slow", unlimited)
    with psycopg.connect(server.empty_database(), options="-c statement_timeout=10min") as connection:
        assert apply(connection, (slow,)) == [slow]
        assert connection.execute("SHOW statement_timeout").fetchone() == ("10min",)


def test_a_login_without_rights_reads_what_it_lacks(server: servers.Postgres) -> None:
    """The error says which rights the operator's login needs, and names it."""
    owner = server.empty_database()
    name = psycopg.conninfo.conninfo_to_dict(owner)["dbname"]
    login = server.login()
    with pytest.raises(MigrationError, match=f"must own the database and have CREATEROLE; '{login}' was refused"):
        apply_to(server.dsn(login, servers.PASSWORD, name))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM trainyard.pod_spend",
        "INSERT INTO trainyard.pod_spend VALUES ('u', 'r', 'n', 'j', 'p', now(), now(), 1, 1)",
        "UPDATE trainyard.runs SET attempt = 2",
        "UPDATE trainyard.trajectories SET advantage = 0",
        "DELETE FROM trainyard.checkpoints",
        "DELETE FROM trainyard.runs",
        "SELECT * FROM trainyard.attempts",
        "CREATE TABLE trainyard.mine (a int)",
    ],
)
def test_a_trainer_may_not(server: servers.Postgres, statement: str) -> None:
    """What a trainer has no business with is refused by the database itself."""
    with (
        psycopg.connect(server.database().trainer) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_the_trainers_role_has_the_contract_s_name(server: servers.Postgres) -> None:
    """The migration's SQL and the contract name one role."""
    with psycopg.connect(server.database().owner) as connection:
        row = connection.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [TRAINER_DATABASE_ROLE])
        assert row.fetchone() == (False,)


def test_money_is_never_a_float(server: servers.Postgres) -> None:
    """Every column that holds dollars is numeric with six decimal places."""
    with psycopg.connect(server.database().owner) as connection:
        types = connection.execute(
            """
            SELECT data_type, numeric_scale FROM information_schema.columns
            WHERE table_schema = 'trainyard' AND column_name LIKE '%usd'
            """
        ).fetchall()
    assert types == [("numeric", 6)] * 2

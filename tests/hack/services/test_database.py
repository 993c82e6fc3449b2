"""The roles that the services' SQL makes, on a real Postgres: enough for each login, and no more."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from hack.services import credentials, database
from tests.servers import Postgres, postgres

pytestmark = pytest.mark.integration
ACCOUNT = credentials.draw()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server on which the script ran twice."""
    with postgres() as running:
        for _ in range(2):
            running._server.psql(database.setup(ACCOUNT))
        yield running


def _login(server: Postgres, role: str, password: str) -> psycopg.Connection:
    return psycopg.connect(server.dsn(role, password, "trainyard"))


def test_operator_owns_its_database_and_grants_to_the_group(server: Postgres) -> None:
    """Its migrations make a schema, and grant it to the trainers' group and to further logins."""
    with _login(server, "trainyard_operator", ACCOUNT.operator_password) as connection:
        connection.execute("CREATE SCHEMA trainyard")
        connection.execute("GRANT USAGE ON SCHEMA trainyard TO trainyard_trainer")
        connection.execute("CREATE ROLE team_b_trainer LOGIN")
        connection.execute("GRANT trainyard_trainer TO team_b_trainer")
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        assert row == (False,)
        connection.rollback()


def test_team_login_is_a_member_and_owns_nothing(server: Postgres) -> None:
    """The trainer's login has the group's rights; it can't make schemas or roles."""
    with _login(server, "team_a_trainer", ACCOUNT.team_password) as connection:
        row = connection.execute("SELECT pg_has_role('trainyard_trainer', 'usage')").fetchone()
        assert row == (True,)
        for statement in ("CREATE SCHEMA mine", "CREATE ROLE mine"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
            connection.rollback()


def test_failing_statement_is_not_logged_with_its_password() -> None:
    """The script says so to the server before any password is set."""
    script = database.setup(ACCOUNT).splitlines()
    quiet = script.index("SET log_min_error_statement = panic;")
    assert all(ACCOUNT.operator_password not in line and ACCOUNT.team_password not in line for line in script[:quiet])
    assert any(ACCOUNT.operator_password in line for line in script[quiet:])

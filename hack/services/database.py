"""The database's roles, as SQL that may run any number of times.

Pure. The operator owns the database and may make roles, so that its migrations can; the trainer's group role exists
from the start, and the team's login is a member of it. What the group may do is granted by the operator's migrations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.services import names
from trainyard_api.names import TRAINER_DATABASE_ROLE

if TYPE_CHECKING:
    from hack.services.credentials import Credentials


def setup(credentials: Credentials) -> str:
    """Writes the script for psql, as the superuser. It holds passwords: for psql's standard input only."""
    operator, group, team = names.OPERATOR_ROLE, TRAINER_DATABASE_ROLE, names.TEAM_ROLE
    return "\n".join(
        [
            # A failing statement is normally written to the server's log, and some of these hold a password.
            "SET log_min_error_statement = panic;",
            *(_role(role) for role in (operator, group, team)),
            f"ALTER ROLE {operator} LOGIN CREATEROLE PASSWORD '{credentials.operator_password}';",
            f"ALTER ROLE {team} LOGIN PASSWORD '{credentials.team_password}';",
            f"GRANT {group} TO {operator} WITH ADMIN OPTION;",
            f"GRANT {group} TO {team};",
            f"SELECT 'CREATE DATABASE {names.DATABASE} OWNER {operator}'",
            f"WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{names.DATABASE}') \\gexec",
            f"REVOKE ALL ON DATABASE {names.DATABASE} FROM PUBLIC;",
            f"GRANT CONNECT, TEMPORARY ON DATABASE {names.DATABASE} TO {group};",
            "",
        ]
    )


def _role(name: str) -> str:
    return (
        f"SELECT 'CREATE ROLE {name} NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') \\gexec"
    )

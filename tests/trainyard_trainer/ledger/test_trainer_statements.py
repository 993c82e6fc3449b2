"""Claims about what a trainer asks Postgres, on a real one."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from tests import servers
from trainyard_trainer.ledger import trainer_statements

pytestmark = pytest.mark.integration

STATEMENTS = {
    f"{name}-{number}": each
    for name, value in vars(trainer_statements).items()
    for number, each in enumerate(value if isinstance(value, tuple) else (value,))
    if isinstance(each, sql.Composed)
}


def test_a_trainer_may_make_each_statement(database: servers.Database) -> None:
    """Postgres knows every name in it, and the trainers' role has the right to it."""
    assert len(STATEMENTS) >= 12
    with psycopg.connect(database.trainer) as connection:
        for each in STATEMENTS.values():
            text = each.as_string(connection)
            connection.execute(f"EXPLAIN {text}".encode(), [None] * text.count("%s"))


def test_no_more_rights_are_asked_for_than_are_used() -> None:
    """Claims are written and never changed."""
    assert ("checkpoints", "INSERT") in trainer_statements.NEEDED_RIGHTS
    assert ("checkpoints", "DELETE") not in trainer_statements.NEEDED_RIGHTS

"""The operator's login to a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Database, Postgres, postgres
from trainyard_operator.ledger.connection import Ledger


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """One server for the tests of this folder."""
    with postgres() as running:
        yield running


@pytest.fixture
def database(server: Postgres) -> Database:
    """A migrated database."""
    return server.database()


@pytest.fixture
def ledger(database: Database, tmp_path: Path) -> Iterator[Ledger]:
    """The operator's login to it."""
    (tmp_path / "dsn").write_text(f"{database.owner}\n")
    login = Ledger(tmp_path / "dsn")
    yield login
    asyncio.run(login.close())

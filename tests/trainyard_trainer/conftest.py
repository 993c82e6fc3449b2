"""Real servers for the trainer's edges."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests import servers
from tests.trainyard_trainer.ledger_rows import RUN

# As runs have it by themselves: equal bytes need equal threads, and many threads on few cores only wait.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    """One server for all tests."""
    with servers.postgres() as server:
        yield server


@pytest.fixture
def database(postgres: servers.Postgres) -> servers.Database:
    """A migrated database of the test's own."""
    return postgres.database()


@pytest.fixture
def run(database: servers.Database) -> servers.Database:
    """A database in which the operator has begun attempt 1."""
    database.execute(
        "INSERT INTO trainyard.runs (uid, namespace, name, attempt) VALUES (%s, %s, %s, 1)",
        *(RUN.uid, RUN.namespace, RUN.name),
    )
    return database


@pytest.fixture(scope="session")
def s3() -> Iterator[servers.S3Server]:
    """One server for all tests; each makes its own bucket."""
    with servers.s3() as server:
        yield server

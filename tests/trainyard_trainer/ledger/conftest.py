"""A database in which a run has begun."""

from __future__ import annotations

import pytest

from tests import servers
from tests.trainyard_trainer.ledger_rows import RUN


@pytest.fixture
def run(database: servers.Database) -> servers.Database:
    """A database in which the operator has begun attempt 1."""
    database.execute(
        "INSERT INTO trainyard.runs (uid, namespace, name, attempt) VALUES (%s, %s, %s, 1)",
        *(RUN.uid, RUN.namespace, RUN.name),
    )
    return database

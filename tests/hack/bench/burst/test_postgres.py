"""The database of a measured operator is empty, its own, and gone with the block."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from hack.bench.burst.postgres import postgres

pytestmark = pytest.mark.integration


def test_the_owner_may_make_everything_in_an_empty_database() -> None:
    """As the operator's migrations do; the server's folder doesn't outlive it."""
    with postgres() as dsn:
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE SCHEMA trainyard")
            row = connection.execute("SELECT current_database(), current_setting('data_directory')").fetchone()
            assert row is not None
            assert row[0] == "burst"
        assert Path(row[1]).is_dir()
    assert not Path(row[1]).exists()

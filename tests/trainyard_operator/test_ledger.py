"""Claims about the operator's ledger, on a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from tests.servers import Database, Postgres, postgres
from tests.trainyard_operator.builders import UID, open_pod
from trainyard_api.training_job_status import OpenPod
from trainyard_operator.ledger import Ledger, LedgerUnavailable

pytestmark = pytest.mark.integration

POD = OpenPod.model_validate(open_pod(end=-10))
OWNER = {"run_uid": UID, "namespace": "team-a", "name": "sums"}
ATTEMPT = OWNER | {"attempt": 1, "job_name": "sums-1", "tags": {"commit": "1a2b"}}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A Postgres server."""
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


def test_an_attempt_is_begun_once_and_never_turned_back(ledger: Ledger, database: Database) -> None:
    """The run's attempt fences trainers: it may only rise."""

    async def go() -> None:
        for attempt in (1, 2, 1):
            await ledger.begin_attempt(**ATTEMPT | {"attempt": attempt, "job_name": f"sums-{attempt}"})

    asyncio.run(go())
    assert database.rows("SELECT namespace, name, attempt FROM trainyard.runs") == [("team-a", "sums", 2)]
    assert database.rows("SELECT attempt, job_name FROM trainyard.attempts ORDER BY 1") == [
        (1, "sums-1"),
        (2, "sums-2"),
    ]


def test_a_pod_is_booked_once_whatever_a_second_call_says(ledger: Ledger, database: Database) -> None:
    """The first row stands."""

    async def go() -> None:
        await ledger.book(POD, Decimal("0.037500"), **OWNER)
        await ledger.book(POD, Decimal(9), **OWNER)

    asyncio.run(go())
    rows = database.rows("SELECT amount_usd, rate_per_hour_usd, ended_at - bound_at FROM trainyard.pod_spend")
    assert [(amount, rate, span.total_seconds()) for amount, rate, span in rows] == [
        (Decimal("0.0375"), Decimal("1.5"), 90)
    ]


def test_an_ended_run_keeps_its_first_reason(ledger: Ledger, database: Database) -> None:
    """A repeated pass changes nothing; a run that never began is no error."""

    async def go() -> None:
        await ledger.end_run("unheard-of", "Failed")
        await ledger.begin_attempt(**ATTEMPT)
        await ledger.end_run(UID, "OutOfMemory")
        await ledger.end_run(UID, "Deleted")

    asyncio.run(go())
    rows = database.rows(
        "SELECT a.reason, r.ended_at IS NOT NULL FROM trainyard.attempts a JOIN trainyard.runs r ON true"
    )
    assert rows == [("OutOfMemory", True)]


def test_claims_come_by_run_and_any_json_is_survived(ledger: Ledger, database: Database) -> None:
    """Every asked run is answered; metrics that aren't texts by name are dropped."""
    asyncio.run(ledger.begin_attempt(**ATTEMPT))
    for step, metrics in ((1, '{"reward_mean": "0.5", "deep": {"x": 1}, "n": 3}'), (2, "[1, 2]")):
        database.execute(
            "INSERT INTO trainyard.checkpoints (uri, run_uid, attempt, step, digest, size_bytes, metrics)"
            " VALUES (%s, %s, 1, %s, 'd', 5, %s)",
            *(f"s3://b/{step}/", UID, step, metrics),
        )
    found = asyncio.run(ledger.claims([UID, "other"]))
    assert [(claim.step, dict(claim.metrics)) for claim in found[UID]] == [(1, {"reward_mean": "0.5"}), (2, {})]
    assert found["other"] == ()
    assert asyncio.run(ledger.claims([])) == {}


def test_what_a_trainer_writes_is_read_in_bounds(ledger: Ledger, database: Database) -> None:
    """One run's flood of rows, or a row of megabytes, takes neither the others' claims nor the operator's memory."""
    for uid in (UID, "flood"):
        asyncio.run(ledger.begin_attempt(**ATTEMPT | {"run_uid": uid}))
    insert = "INSERT INTO trainyard.checkpoints (uri, run_uid, attempt, step, digest, size_bytes, metrics)"
    database.execute(f"{insert} SELECT 's3://f/' || n, 'flood', 1, n, 'd', 5, '{{}}' FROM generate_series(1, 1500) n")
    large = "jsonb_build_object('reward_mean', repeat('1', 20000000))"
    database.execute(f"{insert} VALUES ('s3://b/1', %s, 1, 1, repeat('d', 9000000), 5, {large})", UID)
    found = asyncio.run(ledger.claims(["flood", UID]))
    assert [claim.step for claim in found["flood"]] == list(range(501, 1501))
    assert [(claim.step, claim.metrics, len(claim.digest)) for claim in found[UID]] == [(1, {}, 100)]


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
        asyncio.run(Ledger(tmp_path / "dsn").claims([UID]))
    assert "s3cr3t" not in str(caught.value) + caplog.text


def test_a_connection_that_was_cut_is_opened_anew(ledger: Ledger, database: Database) -> None:
    """A restarted server costs no pass."""

    async def go() -> None:
        await ledger.claims([UID])
        with psycopg.connect(database.owner, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trainyard'")
        assert await ledger.claims([UID]) == {UID: ()}

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
            asyncio.run(ledger.claims([UID]))
        with pytest.raises(LedgerUnavailable):
            asyncio.run(ledger.claims([UID]))
        assert "s3cr3t" not in str(caught.value) + caplog.text
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 3
    file.write_text(server.database().owner)
    fresh = Ledger(file)
    assert asyncio.run(fresh.claims([UID])) == {UID: ()}
    asyncio.run(fresh.close())


def test_migrating_again_applies_nothing(ledger: Ledger) -> None:
    """The tick may ask as often as it likes."""
    assert asyncio.run(ledger.migrate()) == 0

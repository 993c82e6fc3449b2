"""A ledger that can be read and not written keeps nothing: a job is stopped, reported on and billed as ever.

Postgres is real, and takes no row while it is read-only; the API server is in memory.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.servers import Database, Postgres, postgres
from tests.trainyard_operator.builders import (
    CHILD_BODY,
    NAME,
    POD_UID,
    PREFIX,
    UID,
    at,
    claim,
    ended_record,
    job_body,
    open_pod,
    pod_body,
    reported,
    running_status,
    time_text,
)
from tests.trainyard_operator.memory_api import MemoryApi
from tests.trainyard_operator.trainingjob.test_controller_passes import Rig
from trainyard_api import names
from trainyard_api.conditions import ConditionType
from trainyard_operator.cluster.clock import Clock
from trainyard_operator.cluster.kube import JOBS, NAMESPACES, NODES, PODS, TRAINING_JOBS
from trainyard_operator.ledger import runs

pytestmark = pytest.mark.integration

EARLIER = open_pod(end=-10) | {"uid": "earlier", "name": "earlier-pod"}
"""A pod of before, whose 90 s at $1.50 per hour are in the status and not in the ledger."""
COST = {"spentUSD": "0.0375", "settledUSD": "0.037500", "settledPods": [EARLIER]}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One server for these tests."""
    with postgres() as running:
        yield running


class Life:
    """A job with its ledger; its pod runs."""

    def __init__(self, server: Postgres, folder: Path, status: dict[str, Any], *, pods: bool = True) -> None:
        self.database: Database = server.database()
        (folder / "dsn").write_text(self.database.owner)
        self.api = MemoryApi()
        self.api.hold(NAMESPACES, {"metadata": {"name": "team-a"}, "status": {"phase": "Active"}})
        self.api.hold(TRAINING_JOBS, job_body(status=status))
        if pods:
            child = copy.deepcopy(CHILD_BODY)
            child["metadata"]["labels"] = names.job_labels(NAME, UID, 1)
            self.api.hold(JOBS, child)
            self.api.hold(
                PODS, pod_body(labels=names.job_labels(NAME, UID, 1) | {names.MANAGED_BY_LABEL: names.MANAGED_BY})
            )
            self.api.hold(NODES, {"metadata": {"name": "node-1", "labels": {}}})
        self.rig = Rig(self.api, folder)

    def read_only(self, word: str) -> None:
        """Lets Postgres take no rows, or take them again; the operator's connection is cut and opened anew."""
        with psycopg.connect(self.database.owner, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_read_only = {word}")
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trainyard'"
            )

    def make_passes(self, seconds: int, times: int = 3) -> None:
        """Some passes, so long after the beginning."""
        self.rig.controller.clock = Clock(wall=at(seconds).timestamp, elapsed=float)

        async def go() -> None:
            for _ in range(times):
                await self.rig.controller.reconcile("team-a", NAME)
            await self.rig.ledger.close()

        asyncio.run(go())

    @property
    def status(self) -> dict[str, Any]:
        """The job's status."""
        status: dict[str, Any] = self.api[f"/trainingjobs/{NAME}"]["status"]
        return status

    def condition(self, kind: str) -> tuple[str, str, str]:
        """Status, reason and message of a condition."""
        found = next(each for each in self.status["conditions"] if each["type"] == kind)
        return found["status"], found["reason"], found["message"]

    @property
    def rows(self) -> dict[str, Decimal]:
        """Pod uid → US dollars in the ledger."""
        return dict(self.database.rows("SELECT pod_uid, amount_usd FROM trainyard.pod_spend"))


def test_a_job_is_reported_on_and_stopped_and_its_row_waits(server: Postgres, tmp_path: Path) -> None:
    """Conditions and sums go on, the server's words are shown, a stop happens; later the row is written, once."""
    life = Life(server, tmp_path, running_status(cost=COST | {"openPods": [open_pod()]}))
    life.read_only("on")
    life.make_passes(40)
    assert life.condition("Succeeded")[:2] == ("Unknown", "Running")
    said = life.condition("Degraded")
    assert said[:2] == ("True", "DatabaseUnavailable")
    assert said[2].endswith("ReadOnlySqlTransaction: cannot execute INSERT in a read-only transaction")
    assert (life.status["cost"]["settledPods"], life.status["cost"]["spentUSD"]) == ([EARLIER], "0.0959")
    job = life.api.objects[TRAINING_JOBS.path("team-a", NAME)]
    job["spec"]["suspend"] = True
    life.make_passes(50)
    assert life.condition("Succeeded")[:2] == ("Unknown", "Suspended")
    assert not [path for path in life.api.objects if "/pods/" in path or path.endswith(f"/jobs/{NAME}-1")]
    assert life.rows == {}
    life.read_only("off")
    life.make_passes(1000)
    assert life.condition("Suspended")[0] == "True"
    assert life.condition("Degraded")[0] == "False"
    assert life.rows.keys() == {"earlier", POD_UID}
    assert sum(life.rows.values()) == Decimal(life.status["cost"]["settledUSD"])
    assert "settledPods" not in life.status["cost"]


def test_a_refusal_is_tried_again_ever_more_seldom(server: Postgres, tmp_path: Path) -> None:
    """After half a minute, then twice that, up to five; in between passes cost the ledger nothing but a look."""
    life = Life(server, tmp_path, running_status(cost=COST), pods=False)
    life.read_only("on")
    rests = []
    moment = 0
    for _ in range(6):
        life.make_passes(moment, times=2)
        refused = life.rig.controller.applier.memories[UID].ledger
        assert refused is not None
        rests.append((refused.again - at(moment)).total_seconds())
        moment += int(rests[-1])
    assert rests == [30, 60, 120, 240, 300, 300]


def test_a_job_that_has_ended_says_that_its_rows_wait(server: Postgres, tmp_path: Path) -> None:
    """And takes it back when they are written."""
    ended = [
        reported(ConditionType.SUCCEEDED, "False", "Cancelled"),
        reported(ConditionType.DEGRADED, "False", "AsExpected"),
    ]
    life = Life(server, tmp_path, running_status(*ended, cost=COST, completionTime=time_text(-5)), pods=False)
    life.read_only("on")
    life.make_passes(0)
    assert life.condition("Degraded")[:2] == ("True", "DatabaseUnavailable")
    life.read_only("off")
    life.make_passes(60)
    assert (life.condition("Degraded")[:2], life.rows) == (("False", "AsExpected"), {"earlier": Decimal("0.037500")})
    assert "settledPods" not in life.status["cost"]


def test_an_attempt_that_cant_be_written_is_said_and_begins_later(server: Postgres, tmp_path: Path) -> None:
    """Nothing is made before its rows; the job says whose words keep it."""
    life = Life(server, tmp_path, {}, pods=False)
    life.read_only("on")
    life.make_passes(0)
    status, reason, message = life.condition("Degraded")
    assert (status, reason) == ("True", "StartRefused")
    assert "ReadOnlySqlTransaction: cannot execute INSERT in a read-only transaction" in message
    assert life.condition("Succeeded")[1] == "Queued"
    assert not [path for path in life.api.objects if "/jobs/" in path]
    life.read_only("off")
    life.make_passes(40)
    assert life.condition("Succeeded")[1] == "Starting"
    assert [path for path in life.api.objects if path.endswith(f"/jobs/{NAME}-1")]


def _named(**changes: Any) -> dict[str, Any]:
    """The status of a cancelled job whose trainer named a checkpoint and couldn't claim it."""
    one = claim(10, **changes)
    committed = {"uri": one.uri, "digest": one.digest, "step": 10}
    record = ended_record("Stopped", counts=None, committed=committed)
    cost = {"spentUSD": "0.0375", "settledUSD": "0.037500"}
    return running_status(attempt=record, cost=cost, cancelTime=time_text(-60))


def _begin(life: Life, run_uid: str, name: str) -> None:
    async def go() -> None:
        facts: dict[str, Any] = {"namespace": "team-a", "name": name, "job_name": f"{name}-1", "tags": {}}
        await runs.begin_attempt(life.rig.ledger, run_uid=run_uid, attempt=1, **facts)
        await life.rig.ledger.close()

    asyncio.run(go())


_INSERT = "INSERT INTO trainyard.checkpoints (uri, run_uid, attempt, step, digest, size_bytes, metrics)"


def _claimed_by_another(life: Life) -> None:
    _begin(life, UID, NAME)
    _begin(life, "other", "other")
    life.database.execute(f"{_INSERT} VALUES (%s, 'other', 1, 10, 'd', 5, '{{}}')", claim(10).uri)


def _more_than_are_read(life: Life) -> None:
    _begin(life, UID, NAME)
    digest = "'sha256:' || lpad(to_hex(n), 64, '0')"
    values = f"SELECT %s || n || '-9d2f0c3e/', %s, 1, n, {digest}, 5, '{{}}' FROM generate_series(11, 1010) n"
    life.database.execute(f"{_INSERT} {values}", f"{PREFIX}step-", UID)


REFUSED = {
    "another run has claimed it": (_claimed_by_another, "run other has claimed it"),
    "the run has no row": (lambda _: None, "ForeignKeyViolation"),
    "a thousand claims count more": (_more_than_are_read, "the 1,000 claims of the highest steps count"),
}


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("why", REFUSED)
def test_a_claim_that_can_never_be_booked_keeps_no_end(
    server: Postgres, tmp_path: Path, why: str, deleted: bool
) -> None:
    """It is said with what to do; the job ends, and goes."""
    life = Life(server, tmp_path, _named(), pods=False)
    prepare, words = REFUSED[why]
    prepare(life)
    job = life.api.objects[TRAINING_JOBS.path("team-a", NAME)]
    if deleted:
        job["metadata"]["deletionTimestamp"] = time_text(-1)
        life.make_passes(0, times=4)
        assert not [path for path in life.api.objects if path.endswith(f"/trainingjobs/{NAME}")]
        notes = [body["note"] for request, body in life.api.sent.items() if request.startswith("create events")]
        assert any(words in note for note in notes)
        return
    life.make_passes(0, times=4)
    assert life.condition("Finished")[:2] == ("True", "Cancelled")
    status, reason, message = life.condition("Degraded")
    assert (status, reason) == ("True", "ClaimRefused")
    assert message.startswith("committed.uri: ")
    assert words in message
    assert message.endswith(f'its files stay: make a Checkpoint of them by hand; got "{claim(10).uri}"')

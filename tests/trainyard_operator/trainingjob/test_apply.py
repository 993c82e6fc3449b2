"""Claims about carrying a plan out where the API server refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.servers import postgres
from tests.trainyard_operator.builders import NAME, NOW, UID, claim, observed, running_status
from trainyard_operator.cluster.access import access_bodies
from trainyard_operator.cluster.kube import SERVICE_ACCOUNTS, KubeError
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.trainingjob.actions import Plan, StartAttempt, StoreCheckpoint
from trainyard_operator.trainingjob.apply import Applier
from trainyard_operator.trainingjob.status import halves


class Refusing:
    """An API server that has nothing and lets nothing be made."""

    def __init__(self, status: int) -> None:
        self.status = status

    async def get(self, path: str) -> None:
        """Nothing is there."""

    async def create(self, *_: Any) -> None:
        """Refuses."""
        raise KubeError(self.status, "InternalError", "failed calling webhook")


def _store(tmp_path: Path, status: int, *, required: bool) -> Applier:
    applier: Applier = Applier(Refusing(status), Ledger(tmp_path / "dsn"), "image", "Never")  # type: ignore[arg-type]
    seen = observed(status=running_status(), deleted=None if required else -1)
    action = StoreCheckpoint(claim(), required=required)
    unchanged = Plan((action,), *halves(seen.raw_status))
    asyncio.run(applier.carry_out(seen, unchanged, NOW))
    return applier


@pytest.mark.parametrize("status", [0, 403, 429, 500, 503])
def test_no_deletion_waits_for_a_checkpoint_to_be_made(tmp_path: Path, status: int) -> None:
    """A webhook that is down answers 500 for ever: it is tried once, logged, and the deletion goes on."""
    assert _store(tmp_path, status, required=False).refusals == {UID: {}}


@pytest.mark.parametrize("status", [0, 429, 500])
def test_while_a_job_lives_a_passing_trouble_is_tried_again(tmp_path: Path, status: int) -> None:
    """The pass fails; the tick asks for another."""
    with pytest.raises(KubeError):
        _store(tmp_path, status, required=True)


def test_a_refusal_is_remembered_for_the_status(tmp_path: Path) -> None:
    """The next pass says it in Degraded."""
    remembered = _store(tmp_path, 403, required=True).refusals[UID]
    assert "failed calling webhook" in remembered[claim().uri]


class Holding:
    """An API server that holds one object under every name, and writes down what is applied."""

    def __init__(self, *owners: dict[str, Any]) -> None:
        self.existing = {"metadata": {"name": "sums-trainer", "ownerReferences": list(owners)}}
        self.applied: list[str] = []

    async def get(self, _: str) -> dict[str, Any]:
        """The object."""
        return self.existing

    async def apply(self, path: str, *_: Any) -> None:
        """Takes anything."""
        self.applied.append(path)


@pytest.mark.parametrize(
    ("owners", "status"),
    [
        ([], 422),
        ([{"kind": "TrainingJob", "name": "other", "uid": "x", "controller": True}], 422),
        ([{"kind": "TrainingJob", "name": NAME, "uid": UID}], 422),
        ([{"kind": "TrainingJob", "name": NAME, "uid": "former", "controller": True}], 409),
    ],
)
def test_user_code_never_runs_under_an_account_that_isnt_its_jobs(
    tmp_path: Path, owners: list[dict[str, Any]], status: int
) -> None:
    """It may have any rights; what a former job of this name has left is waited for."""
    server: Any = Holding(*owners)
    applier, job = Applier(server, Ledger(tmp_path / "dsn"), "image", "Never"), observed().job
    with pytest.raises(KubeError, match='serviceaccounts "sums-trainer" exists') as caught:
        asyncio.run(applier._grant(SERVICE_ACCOUNTS, access_bodies(job)[0], job.metadata))
    assert caught.value.status == status
    assert server.applied == []


def test_its_own_account_is_applied_again(tmp_path: Path) -> None:
    """A pass that was cut off may have made it."""
    server: Any = Holding({"kind": "TrainingJob", "name": NAME, "uid": UID, "controller": True})
    applier, job = Applier(server, Ledger(tmp_path / "dsn"), "image", "Never"), observed().job
    asyncio.run(applier._grant(SERVICE_ACCOUNTS, access_bodies(job)[0], job.metadata))
    assert server.applied == ["/api/v1/namespaces/team-a/serviceaccounts/sums-trainer"]


class Granting(Refusing):
    """The same, but for the job's account and rights."""

    async def apply(self, *_: Any) -> None:
        """Takes anything."""


@pytest.mark.integration
def test_a_refused_start_is_remembered_until_it_succeeds(tmp_path: Path) -> None:
    """What a person may mend is kept for the status; what passes by itself isn't."""
    with postgres() as server:
        (tmp_path / "dsn").write_text(server.database().owner)
        ledger, seen = Ledger(tmp_path / "dsn"), observed()
        plan = Plan((StartAttempt(1),), *halves(seen.raw_status))
        for status, kept in ((403, ["sums-1"]), (422, ["sums-1"]), (0, []), (409, []), (429, []), (503, [])):
            api: Any = Granting(status)
            applier = Applier(api, ledger, "image", "Never")
            with pytest.raises(KubeError):
                asyncio.run(applier.carry_out(seen, plan, NOW))
            assert list(applier.refusals[UID]) == kept, status
        asyncio.run(ledger.close())

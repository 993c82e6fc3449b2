"""Claims about starting an attempt where the API server refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.servers import postgres
from tests.trainyard_operator.builders import NAME, NOW, UID, observed
from trainyard_operator.cluster.access import access_bodies
from trainyard_operator.cluster.kube import SERVICE_ACCOUNTS, KubeError
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.trainingjob.actions import Plan, StartAttempt
from trainyard_operator.trainingjob.apply.applier import Applier
from trainyard_operator.trainingjob.apply.start import grant
from trainyard_operator.trainingjob.pod_defaults import PodDefaults
from trainyard_operator.trainingjob.status import halves


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
def test_user_code_never_runs_under_an_account_that_isnt_its_jobs(owners: list[dict[str, Any]], status: int) -> None:
    """It may have any rights; what a former job of this name has left is waited for."""
    server: Any = Holding(*owners)
    job = observed().job
    with pytest.raises(KubeError, match='serviceaccounts "sums-trainer" exists') as caught:
        asyncio.run(grant(server, SERVICE_ACCOUNTS, access_bodies(job)[0], job.metadata))
    assert caught.value.status == status
    assert server.applied == []


def test_its_own_account_is_applied_again() -> None:
    """A pass that was cut off may have made it."""
    server: Any = Holding({"kind": "TrainingJob", "name": NAME, "uid": UID, "controller": True})
    job = observed().job
    asyncio.run(grant(server, SERVICE_ACCOUNTS, access_bodies(job)[0], job.metadata))
    assert server.applied == ["/api/v1/namespaces/team-a/serviceaccounts/sums-trainer"]


class Granting:
    """An API server that has nothing, and lets nothing be made but the job's account and rights."""

    def __init__(self, status: int) -> None:
        self.status = status

    async def get(self, path: str) -> None:
        """Nothing is there."""

    async def create(self, *_: Any) -> None:
        """Refuses."""
        raise KubeError(self.status, "InternalError", "failed calling webhook")

    async def apply(self, *_: Any) -> None:
        """Takes anything."""


@pytest.mark.integration
def test_a_refused_start_is_remembered_until_it_succeeds(tmp_path: Path) -> None:
    """What a person may mend is kept for the status; what passes by itself isn't."""
    with postgres() as server:
        (tmp_path / "dsn").write_text(server.database().owner)
        ledger, seen = Ledger(tmp_path / "dsn"), observed()
        plan = Plan((StartAttempt(1),), *halves(seen.raw_status))
        for status, kept in ((403, True), (422, True), (0, False), (409, False), (429, False), (503, False)):
            api: Any = Granting(status)
            applier = Applier(api, ledger, PodDefaults("image", "Never"))
            with pytest.raises(KubeError):
                asyncio.run(applier.carry_out(seen, plan, NOW))
            assert (applier.memories[UID].start is not None) is kept, status
        asyncio.run(ledger.close())

"""Claims about the order in which a plan is carried out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.trainyard_operator.builders import NOW, child, observed, pod, running_status
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.trainingjob.actions import AddFinalizer, DeleteChild, Plan, ReleasePod, RemoveFinalizer
from trainyard_operator.trainingjob.apply.applier import Applier
from trainyard_operator.trainingjob.status import halves


class Server:
    """Takes everything, makes a new version each time, and writes down what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def set_finalizers(self, path: str, version: str, _: list[str]) -> dict[str, Any]:
        """Finalizers of a version."""
        return self._made("finalizers", path, version)

    async def delete(self, path: str, uid: str) -> None:
        """A deletion by uid."""
        self._made("delete", path, uid)

    async def apply(self, path: str, body: dict[str, Any], manager: str) -> dict[str, Any]:
        """One half of a status, of a version."""
        return self._made(manager, path, body["metadata"]["resourceVersion"])

    def _made(self, what: str, path: str, version: str) -> dict[str, Any]:
        self.asked.append((f"{what} {path.rpartition('namespaces/team-a/')[2]}", version))
        return {"metadata": {"resourceVersion": f"{len(self.asked)}th"}}


def _carry_out(plan: Plan, directory: Path) -> tuple[list[tuple[str, str]], bool]:
    server: Any = Server()
    applier = Applier(server, Ledger(directory / "dsn"), "image", "Never")
    wrote = asyncio.run(applier.carry_out(observed(status=running_status()), plan, NOW))
    return server.asked, wrote


def test_actions_come_first_and_the_status_follows_from_their_version(tmp_path: Path) -> None:
    """The finalizer makes a version; the money is written of that, all else of the one that the money makes."""
    changed = Plan((AddFinalizer(), DeleteChild(child())), {"attempts": 2}, {"cost": {"spentUSD": "1"}})
    asked, wrote = _carry_out(changed, tmp_path)
    assert wrote
    assert asked == [
        ("finalizers trainingjobs/sums", "7"),
        ("delete jobs/sums-1", "child-uid"),
        ("trainyard-operator-budget trainingjobs/sums/status", "1th"),
        ("trainyard-operator trainingjobs/sums/status", "3th"),
    ]


def test_of_a_job_that_is_let_go_no_status_is_written(tmp_path: Path) -> None:
    """It may be gone already."""
    asked, wrote = _carry_out(Plan((ReleasePod(pod()), RemoveFinalizer()), {"attempts": 2}), tmp_path)
    assert wrote
    assert asked == [("finalizers pods/sums-1-abcde", "3"), ("finalizers trainingjobs/sums", "7")]


def test_what_is_as_it_should_be_costs_no_request(tmp_path: Path) -> None:
    """No action and no changed half."""
    assert _carry_out(Plan((), *halves(running_status())), tmp_path) == ([], False)

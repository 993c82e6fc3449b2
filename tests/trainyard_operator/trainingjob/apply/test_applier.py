"""Claims about the order in which a plan is carried out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.trainyard_operator.builders import NOW, child, observed, pod, running_status
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.trainingjob.actions import AddFinalizer, DeleteChild, Plan, ReleasePod, RemoveFinalizer
from trainyard_operator.trainingjob.apply.applier import Applier
from trainyard_operator.trainingjob.apply.start import Images
from trainyard_operator.trainingjob.status import halves

IMAGES = Images("image", "Never")


class Server:
    """Takes everything, makes a new version each time, and writes down what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []

    async def set_finalizers(self, path: str, version: str, _: list[str]) -> dict[str, Any]:
        """Finalizers of a version."""
        return self._made("finalizers", path, version)

    async def delete(self, path: str, uid: str) -> None:
        """A deletion by uid."""
        self._made("delete", path, uid)

    async def apply(self, path: str, body: dict[str, Any], manager: str) -> dict[str, Any]:
        """One half of a status, of a version or of any."""
        return self._made(manager, path, body["metadata"].get("resourceVersion"))

    def _made(self, what: str, path: str, version: str | None) -> dict[str, Any]:
        self.asked.append((f"{what} {path.rpartition('namespaces/team-a/')[2]}", version))
        return {"metadata": {"resourceVersion": f"{len(self.asked)}th"}}


def _carry_out(plan: Plan, directory: Path) -> tuple[list[tuple[str, str | None]], bool]:
    server: Any = Server()
    applier = Applier(server, Ledger(directory / "dsn"), IMAGES)
    wrote = asyncio.run(applier.carry_out(observed(status=running_status()), plan, NOW))
    return server.asked, wrote


def test_a_stop_comes_first_and_the_status_follows_from_the_newest_version(tmp_path: Path) -> None:
    """The money is written to whatever version there is, all else to the one that the money makes."""
    changed = Plan((AddFinalizer(), DeleteChild(child())), {"attempts": 2}, {"cost": {"spentUSD": "1"}})
    asked, wrote = _carry_out(changed, tmp_path)
    assert wrote
    assert asked == [
        ("delete jobs/sums-1", "child-uid"),
        ("finalizers trainingjobs/sums", "7"),
        ("trainyard-operator-budget trainingjobs/sums/status", None),
        ("trainyard-operator trainingjobs/sums/status", "3th"),
    ]


def test_a_job_is_let_go_last_of_all(tmp_path: Path) -> None:
    """Of the version that its last status has made."""
    plan = Plan((RemoveFinalizer(), ReleasePod(pod())), {"attempts": 2}, halves(running_status())[1])
    asked, wrote = _carry_out(plan, tmp_path)
    assert wrote
    assert asked == [
        ("trainyard-operator trainingjobs/sums/status", "7"),
        ("finalizers pods/sums-1-abcde", "3"),
        ("finalizers trainingjobs/sums", "1th"),
    ]


def test_what_is_as_it_should_be_costs_no_request(tmp_path: Path) -> None:
    """No action and no changed half."""
    assert _carry_out(Plan((), *halves(running_status())), tmp_path) == ([], False)

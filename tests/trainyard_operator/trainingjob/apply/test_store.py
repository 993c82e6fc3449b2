"""Claims about making Checkpoint objects where the API server refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_operator.builders import NOW, UID, claim, observed, running_status
from trainyard_operator.cluster.kube import KubeError
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.trainingjob.actions import Plan, StoreCheckpoint
from trainyard_operator.trainingjob.apply.applier import Applier
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

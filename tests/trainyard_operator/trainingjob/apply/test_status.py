"""Claims about writing a status in halves, on a real API server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.trainyard_operator.bench import Bench
from trainyard_api.training_job import parse_training_job
from trainyard_operator.trainingjob.actions import Plan
from trainyard_operator.trainingjob.apply import status
from trainyard_operator.trainingjob.observed import Observed
from trainyard_operator.trainingjob.status import halves

pytestmark = pytest.mark.integration


def _seen(body: dict[str, Any]) -> Observed:
    return Observed(parse_training_job(body), body.get("status", {}))


def test_only_a_half_that_has_changed_is_written(bench: Bench) -> None:
    """Each by its own field manager; what nothing changes costs no version."""
    bench.submit("halved", model={"checkpoint": {"trainingJob": "never-there"}})
    bench.api.wait_condition("halved", "ModelAvailable", reason="WaitingForCheckpoint")
    bench.operator.kill()
    seen = _seen(bench.api.job("halved"))
    operator_half, budget_half = halves(seen.raw_status)
    version = seen.metadata.resource_version
    same = Plan((), operator_half, budget_half)
    assert asyncio.run(status.write(bench.api._kube, seen, same, version)) is None
    dearer = Plan((), operator_half, budget_half | {"budget": {"limitUSD": "9.00", "source": "Spec"}})
    made = asyncio.run(status.write(bench.api._kube, seen, dearer, version))
    after = bench.api.job("halved")
    assert after["metadata"]["resourceVersion"] == made
    assert after["status"]["budget"]["limitUSD"] == "9.00"
    assert halves(after["status"])[0] == operator_half

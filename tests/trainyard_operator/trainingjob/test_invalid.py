"""Claims about a TrainingJob that this version can't read."""

from __future__ import annotations

import asyncio
import copy

import pydantic
import pytest

from tests.trainyard_operator.bench import Bench, condition
from tests.trainyard_operator.builders import NOW
from trainyard_api.training_job import parse_training_job
from trainyard_operator.trainingjob import invalid

pytestmark = pytest.mark.integration


def test_it_is_said_in_the_status_once_and_nothing_else_changes(bench: Bench) -> None:
    """Degraded with the field, the rule and the value; all other conditions stay."""
    bench.submit("unreadable", model={"checkpoint": {"trainingJob": "never-there"}})
    before = bench.api.wait_condition("unreadable", "ModelAvailable", reason="WaitingForCheckpoint")
    bench.operator.kill()
    broken = copy.deepcopy(before)
    broken["spec"]["trainer"]["cpu"] = "many"
    with pytest.raises(pydantic.ValidationError) as caught:
        parse_training_job(broken)
    asyncio.run(invalid.report(bench.api._kube, broken, caught.value, NOW))
    after = bench.api.job("unreadable")
    degraded = condition(after, "Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "InvalidSpec")
    assert degraded["message"].startswith("spec.trainer.cpu: ")
    assert degraded["message"].endswith('got "many"')
    assert condition(after, "Succeeded") == condition(before, "Succeeded")
    version = after["metadata"]["resourceVersion"]
    again = copy.deepcopy(after)
    again["spec"]["trainer"]["cpu"] = "many"
    asyncio.run(invalid.report(bench.api._kube, again, caught.value, NOW))
    assert bench.api.job("unreadable")["metadata"]["resourceVersion"] == version

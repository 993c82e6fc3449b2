"""Claims about passes over Checkpoints."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench, condition, training_job
from tests.trainyard_operator.builders import NAME, NOW, UID, job_body, time_text
from tests.trainyard_operator.memory_api import MemoryApi
from trainyard_api import names
from trainyard_operator.checkpoint.controller import CheckpointController
from trainyard_operator.cluster.clock import Clock
from trainyard_operator.cluster.kube import CHECKPOINTS, TRAINING_JOBS
from trainyard_operator.cluster.listing import ClusterListing


def _made(name: str = "mine", **changes: Any) -> dict[str, Any]:
    spec = {
        "source": {"uri": "s3://models/elsewhere/", "digest": f"sha256:{7:064x}"},
        "storage": training_job("x")["spec"]["checkpoints"]["storage"],
    }
    metadata = {"name": name, "namespace": NAMESPACE, "uid": f"uid-of-{name}", "generation": 4}
    return {"metadata": metadata | changes.pop("metadata", {}), "spec": spec} | changes


def _controller(api: MemoryApi) -> CheckpointController:
    kube: Any = api
    return CheckpointController(kube, Clock(wall=NOW.timestamp, elapsed=float))


STATUS = {
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Imported",
            "message": "Imported as it is; a trainer that loads it checks the digest.",
            "lastTransitionTime": time_text(0),
            "observedGeneration": 4,
        }
    ],
    "uri": "s3://models/elsewhere/",
    "digest": f"sha256:{7:064x}",
}


def test_an_import_is_reported_on_once_as_it_was_read() -> None:
    """To its very version; the second pass, and one over an object that is gone, write nothing."""
    api = MemoryApi()
    api.hold(CHECKPOINTS, _made())
    version = api["/checkpoints/mine"]["metadata"]["resourceVersion"]
    for _ in range(2):
        asyncio.run(_controller(api).reconcile(NAMESPACE, "mine"))
    assert api["/checkpoints/mine"]["status"] == STATUS
    assert api.writes == ["apply checkpoints/mine/status by trainyard-operator"]
    sent = api.sent[api.writes[0]]
    assert (sent["kind"], sent["metadata"]["resourceVersion"]) == ("Checkpoint", version)
    assert sent["metadata"]["uid"] == "uid-of-mine"
    asyncio.run(_controller(api).reconcile(NAMESPACE, "never-there"))
    asyncio.run(_controller(api).reconcile("elsewhere", "mine"))
    assert len(api.writes) == 1


def test_one_that_cant_be_read_is_passed_over_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody else's pass fails for it."""
    api = MemoryApi()
    api.hold(CHECKPOINTS, _made(spec={}))
    asyncio.run(_controller(api).reconcile(NAMESPACE, "mine"))
    assert api.writes == []
    assert "checkpoint team-a/mine: " in caplog.text


REPORTED = {"status": {"conditions": STATUS["conditions"]}}
LABELS = {"metadata": {"labels": names.job_labels(NAME, UID, 1)}}


@pytest.mark.parametrize(
    ("body", "needed"),
    [
        (_made(), True),
        (_made(status={}), True),
        (_made(**REPORTED), False),
        (_made(**LABELS), False),
        (_made(metadata={"labels": names.job_labels(NAME, "former", 1)}), True),
        (_made(metadata={"deletionTimestamp": time_text(0)}), False),
        (_made(spec={}), True),
        (_made(spec={}, **REPORTED), False),
    ],
)
def test_a_tick_asks_for_what_nobody_has_reported_on(body: dict[str, Any], needed: bool) -> None:
    """From its lists alone; what can't be read gets a pass, which says so."""
    nothing: Any = None
    controller = _controller(MemoryApi())
    listing = ClusterListing({TRAINING_JOBS: [job_body()], CHECKPOINTS: [body]}, nothing)

    async def judge() -> bool:
        return await (await controller.judge(listing))(body)

    assert asyncio.run(judge()) is needed


def test_nothing_of_a_checkpoint_is_urgent() -> None:
    """It costs nothing, and is watched by nobody."""
    api = MemoryApi()
    assert not _controller(api).is_urgent(_made())
    _controller(api).seen(_made())
    assert api.asked == []


@pytest.mark.integration
def test_a_checkpoint_that_a_person_made_is_ready(bench: Bench) -> None:
    """An import shows the files it was given, Ready with reason Imported, and can be started from by name."""
    spec = {
        "source": {"uri": "s3://models/elsewhere/", "digest": f"sha256:{7:064x}"},
        "storage": training_job("x")["spec"]["checkpoints"]["storage"],
    }
    body = {"apiVersion": "trainyard.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "mine"}, "spec": spec}
    bench.api.create(CHECKPOINTS, body)
    bench.submit("from-import", model={"checkpoint": {"name": "mine"}})
    bench.api.pod("from-import")
    checkpoint = bench.api.get(CHECKPOINTS, "mine")
    assert checkpoint is not None
    assert condition(checkpoint, "Ready")["reason"] == "Imported"
    assert checkpoint["status"]["uri"] == "s3://models/elsewhere/"


@pytest.mark.integration
def test_a_second_pass_writes_nothing(bench: Bench) -> None:
    """Once it is reported on, an import is left alone; one that is gone is no error."""
    spec = {
        "source": {"uri": "s3://models/again/", "digest": f"sha256:{8:064x}"},
        "storage": training_job("x")["spec"]["checkpoints"]["storage"],
    }
    body = {"apiVersion": "trainyard.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "again"}, "spec": spec}
    bench.operator.kill()
    bench.api.create(CHECKPOINTS, body)
    controller = CheckpointController(bench.api._kube, Clock())
    versions = []
    for _ in range(2):
        asyncio.run(controller.reconcile(NAMESPACE, "again"))
        found = bench.api.get(CHECKPOINTS, "again")
        assert found is not None
        assert condition(found, "Ready")["reason"] == "Imported"
        versions.append(found["metadata"]["resourceVersion"])
    assert versions[0] == versions[1]
    asyncio.run(controller.reconcile(NAMESPACE, "never-there"))

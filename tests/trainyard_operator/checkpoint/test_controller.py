"""Claims about passes over Checkpoints, on a real API server."""

from __future__ import annotations

import asyncio

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench, condition, training_job
from trainyard_operator.checkpoint.controller import CheckpointController
from trainyard_operator.cluster.clock import Clock
from trainyard_operator.cluster.kube import CHECKPOINTS

pytestmark = pytest.mark.integration


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

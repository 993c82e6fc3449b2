"""The status of a Checkpoint is written as it was read, on a real API server."""

from __future__ import annotations

import asyncio

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench, training_job
from trainyard_operator.checkpoint.apply import write_status
from trainyard_operator.cluster.kube import CHECKPOINTS, KubeError

pytestmark = pytest.mark.integration


def test_a_status_goes_only_onto_the_object_that_was_read(bench: Bench) -> None:
    """One that has changed since is a conflict, and keeps what somebody else has written."""
    spec = {
        "source": {"uri": "s3://models/written/", "digest": f"sha256:{9:064x}"},
        "storage": training_job("x")["spec"]["checkpoints"]["storage"],
    }
    body = {"apiVersion": "trainyard.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": "written"}, "spec": spec}
    bench.operator.kill()
    bench.api.create(CHECKPOINTS, body)
    read = bench.api.get(CHECKPOINTS, "written")
    assert read is not None
    assert read["metadata"]["namespace"] == NAMESPACE
    asyncio.run(write_status(bench.api._kube, read, {"uri": "s3://models/written/"}))
    written = bench.api.get(CHECKPOINTS, "written")
    assert written is not None
    assert written["status"] == {"uri": "s3://models/written/"}
    with pytest.raises(KubeError, match=r"409|Conflict|modified"):
        asyncio.run(write_status(bench.api._kube, read, {"uri": "s3://models/older/"}))
    assert (bench.api.get(CHECKPOINTS, "written") or {})["status"] == written["status"]

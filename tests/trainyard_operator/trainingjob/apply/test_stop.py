"""Claims about letting go, on a real API server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench
from trainyard_api import names
from trainyard_api.training_job import parse_training_job
from trainyard_operator.cluster.kube import PODS, TRAINING_JOBS
from trainyard_operator.cluster.pod import read_pod
from trainyard_operator.trainingjob.actions import AddFinalizer, RemoveFinalizer
from trainyard_operator.trainingjob.apply import stop

pytestmark = pytest.mark.integration

OTHER = "example.dev/keeps"


def test_only_our_finalizer_comes_off(bench: Bench) -> None:
    """Of a pod and of a TrainingJob; ours is put on once."""
    pod = bench.running("let-go")
    bench.operator.kill()
    edge: Any = bench.api._kube
    path = PODS.path(NAMESPACE, pod["metadata"]["name"])
    body = bench.api.merge(path, {"metadata": {"finalizers": [OTHER, names.ACCOUNTING_FINALIZER]}})
    asyncio.run(stop.release_pod(edge, read_pod(body)))
    assert bench.api.pod("let-go")["metadata"]["finalizers"] == [OTHER]
    bench.api.merge(path, {"metadata": {"finalizers": None}})
    for action, left in ((AddFinalizer(), [names.SETTLEMENT_FINALIZER]), (RemoveFinalizer(), [])):
        job = parse_training_job(bench.api.job("let-go"))
        asyncio.run(stop.change_finalizer(edge, job.metadata, action, job.metadata.resource_version))
        assert bench.api.job("let-go")["metadata"].get("finalizers", []) == left
    job = parse_training_job(bench.api.job("let-go"))
    bench.api.delete(TRAINING_JOBS, "let-go")
    assert asyncio.run(stop.change_finalizer(edge, job.metadata, AddFinalizer(), "1")) is None

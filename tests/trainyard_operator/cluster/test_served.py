"""Claims about noticing CRDs of an older release, on a real API server."""

from __future__ import annotations

import asyncio

import pytest
from kubernetes import client, config

from tests.trainyard_operator.bench import Bench
from tests.waiting import until
from trainyard_api.checkpoint import CheckpointStatus
from trainyard_api.training_job_status import TrainingJobStatus
from trainyard_operator.cluster.kube import Kind, Kube
from trainyard_operator.cluster.served import unknown_fields

pytestmark = pytest.mark.integration

DEFINITIONS = Kind("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions")
MODELS = {"TrainingJob": TrainingJobStatus, "Checkpoint": CheckpointStatus}


def test_a_schema_that_lacks_a_field_is_noticed(bench: Bench) -> None:
    """With the CRDs of this release nothing is missing; without `stop` the operator sees that it is."""
    settings = client.Configuration()
    config.load_kube_config(str(bench.operator.kubeconfig), client_configuration=settings)
    kube = Kube(client.ApiClient(settings))

    def missing() -> list[str]:
        return asyncio.run(unknown_fields(kube, MODELS))

    assert missing() == []
    name = "trainingjobs.trainyard.dev"
    body = bench.api.get(DEFINITIONS, name, None)
    schema = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    stop = schema.pop("stop")
    cost = schema["cost"]["properties"].pop("droppedUSD")
    bench.api.send("PUT", DEFINITIONS.path(None, name), body)
    try:
        until(
            lambda: missing() == ["TrainingJob.status.stop", "TrainingJob.status.cost.droppedUSD"],
            lambda: f"got {missing()}",
        )
    finally:
        body = bench.api.get(DEFINITIONS, name, None)
        schema = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
        schema["stop"] = stop
        schema["cost"]["properties"]["droppedUSD"] = cost
        bench.api.send("PUT", DEFINITIONS.path(None, name), body)
        until(lambda: missing() == [], "the schema isn't back")

"""Claims about reading the cluster request by request, on a real API server."""

from __future__ import annotations

import asyncio

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench
from trainyard_api import names
from trainyard_operator.cluster.kube import CHECKPOINTS, NAMESPACES, PODS
from trainyard_operator.cluster.reader import LiveReader

pytestmark = pytest.mark.integration


def test_of_a_run_only_what_carries_our_labels_is_read(bench: Bench) -> None:
    """A pod that has copied the run's uid alone isn't ours; nor is another run's."""
    reader = LiveReader(bench.api._kube)
    pod = bench.running("read")
    uid = bench.api.job("read")["metadata"]["uid"]
    container = {"name": names.TRAINER_CONTAINER, "image": "x:1"}
    labels = {names.JOB_UID_LABEL: uid}
    bench.api.create(PODS, {"metadata": {"name": "copied", "labels": labels}, "spec": {"containers": [container]}})
    found = asyncio.run(reader.of_run(PODS, NAMESPACE, uid))
    assert [body["metadata"]["uid"] for body in found] == [pod["metadata"]["uid"]]
    assert asyncio.run(reader.of_run(PODS, NAMESPACE, "another")) == []
    assert asyncio.run(reader.of_run(CHECKPOINTS, NAMESPACE, uid)) == []
    bench.api.delete(PODS, "copied")


def test_an_object_without_a_namespace_is_read_by_its_name(bench: Bench) -> None:
    """None where there is none."""
    reader = LiveReader(bench.api._kube)
    found = asyncio.run(reader.get(NAMESPACES, None, NAMESPACE))
    assert found is not None
    assert found["metadata"]["name"] == NAMESPACE
    assert asyncio.run(reader.get(NAMESPACES, None, "never-there")) is None

"""Claims about writing a status, on a real API server."""

from __future__ import annotations

import asyncio

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench
from trainyard_operator.cluster.kube import TRAINING_JOBS, KubeError
from trainyard_operator.cluster.status import apply_status

pytestmark = pytest.mark.integration


def _apply(bench: Bench, version: str, attempts: int) -> str:
    writing = apply_status(
        bench.api._kube,
        TRAINING_JOBS,
        "TrainingJob",
        namespace=NAMESPACE,
        name="versioned",
        version=version,
        status={"attempts": attempts},
        manager="somebody",
    )
    return asyncio.run(writing)


def test_a_status_is_written_to_the_version_that_was_observed(bench: Bench) -> None:
    """The answer is the version that it made; to an older one it is a conflict."""
    bench.operator.kill()
    old = bench.submit("versioned")["metadata"]["resourceVersion"]
    new = _apply(bench, old, 1)
    assert bench.api.job("versioned")["metadata"]["resourceVersion"] == new
    assert bench.api.job("versioned")["status"]["attempts"] == 1
    with pytest.raises(KubeError) as caught:
        _apply(bench, old, 2)
    assert caught.value.conflict
    bench.api.delete(TRAINING_JOBS, "versioned")

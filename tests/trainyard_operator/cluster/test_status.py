"""Claims about writing a status, on a real API server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.trainyard_operator.bench import Bench
from trainyard_api.kind import ObjectMeta
from trainyard_operator.cluster.kube import TRAINING_JOBS, KubeError
from trainyard_operator.cluster.status import apply_status

pytestmark = pytest.mark.integration


def _apply(bench: Bench, metadata: dict[str, Any], version: str | None, attempts: int) -> str:
    writing = apply_status(
        bench.api._kube,
        TRAINING_JOBS,
        "TrainingJob",
        metadata=ObjectMeta.model_validate(metadata),
        version=version,
        status={"attempts": attempts},
        manager="somebody",
    )
    return str(asyncio.run(writing)["metadata"]["resourceVersion"])


def test_a_status_is_written_to_the_version_that_was_observed(bench: Bench) -> None:
    """Or to whatever version the object has; to an older one it is a conflict."""
    bench.operator.kill()
    metadata = bench.submit("versioned")["metadata"]
    old = metadata["resourceVersion"]
    new = _apply(bench, metadata, old, 1)
    assert bench.api.job("versioned")["metadata"]["resourceVersion"] == new
    assert bench.api.job("versioned")["status"]["attempts"] == 1
    with pytest.raises(KubeError) as caught:
        _apply(bench, metadata, old, 2)
    assert caught.value.conflict
    _apply(bench, metadata, None, 3)
    assert bench.api.job("versioned")["status"]["attempts"] == 3
    bench.api.delete(TRAINING_JOBS, "versioned")

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


def _apply(bench: Bench, metadata: dict[str, Any], version: str, attempts: int) -> str:
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
    """To an older one it is a conflict, and so it is to one of another object that had the name before."""
    bench.operator.kill()
    metadata = bench.submit("versioned")["metadata"]
    old = metadata["resourceVersion"]
    new = _apply(bench, metadata, old, 1)
    assert bench.api.job("versioned")["metadata"]["resourceVersion"] == new
    assert bench.api.job("versioned")["status"]["attempts"] == 1
    with pytest.raises(KubeError) as caught:
        _apply(bench, metadata, old, 2)
    assert caught.value.conflict
    bench.api.delete(TRAINING_JOBS, "versioned")
    later = bench.submit("versioned")["metadata"]
    with pytest.raises(KubeError) as caught:
        _apply(bench, metadata, new, 3)
    assert caught.value.conflict
    # Of the uid alone this subresource takes no notice: a version of the later object would be written to.
    _apply(bench, metadata, later["resourceVersion"], 4)
    assert bench.api.job("versioned")["status"]["attempts"] == 4
    bench.api.delete(TRAINING_JOBS, "versioned")

"""Claims about who reports on a Checkpoint."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.trainyard_operator.builders import NAME, UID, checkpoint, claim, job_body
from trainyard_api import names
from trainyard_operator.checkpoint.observe import observe
from trainyard_operator.cluster.kube import TRAINING_JOBS
from trainyard_operator.cluster.listing import ClusterListing


@pytest.mark.parametrize(
    ("labels", "has_job"),
    [
        (names.job_labels(NAME, UID, 1), True),
        (names.job_labels(NAME, "another", 1), False),
        (names.job_labels("other", UID, 1), False),
        ({names.JOB_LABEL: NAME}, False),
        ({}, False),
    ],
)
def test_its_job_is_the_one_of_that_name_and_uid(labels: dict[str, str], has_job: bool) -> None:
    """A later job of the same name didn't make it, and won't report on it."""
    body: dict[str, Any] = checkpoint(claim(), ready=False).model_dump(by_alias=True, exclude_none=True)
    body["metadata"]["labels"] = labels
    nothing: Any = None
    assert asyncio.run(observe(ClusterListing({TRAINING_JOBS: [job_body()]}, nothing), body)).has_job is has_job

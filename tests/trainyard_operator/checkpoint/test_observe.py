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
    seen = asyncio.run(observe(ClusterListing({TRAINING_JOBS: [job_body()]}, nothing), body))
    assert (seen.has_job, seen.checkpoint.spec.source.uri) == (has_job, claim().uri)


def test_without_both_labels_no_job_is_asked_for() -> None:
    """A person's own Checkpoint has none, and costs no request."""

    class Silent:
        """Refuses to answer."""

        async def get(self, *_: Any) -> None:
            """No question."""
            raise AssertionError

    silent: Any = Silent()
    for labels in ({names.JOB_LABEL: NAME}, {names.JOB_UID_LABEL: UID}, {}):
        body: dict[str, Any] = checkpoint(claim(), ready=False).model_dump(by_alias=True, exclude_none=True)
        body["metadata"]["labels"] = labels
        assert not asyncio.run(observe(silent, body)).has_job

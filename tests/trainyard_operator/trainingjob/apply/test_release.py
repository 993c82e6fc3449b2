"""Claims about letting go, on a real API server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench
from trainyard_api import names
from trainyard_api.training_job import parse_training_job
from trainyard_operator.cluster.kube import PODS, SERVICE_ACCOUNTS, TRAINING_JOBS
from trainyard_operator.cluster.pod import read_pod
from trainyard_operator.trainingjob.actions import (
    AddFinalizer,
    DeleteTrainingJob,
    ReleasePod,
    RemoveAccess,
    RemoveFinalizer,
)
from trainyard_operator.trainingjob.apply import release

pytestmark = pytest.mark.integration

OTHER = "example.dev/keeps"


def test_only_our_finalizer_comes_off(bench: Bench) -> None:
    """Of a pod and of a TrainingJob; ours is put on once."""
    pod = bench.running("let-go")
    bench.operator.kill()
    edge: Any = bench.api._kube
    path = PODS.path(NAMESPACE, pod["metadata"]["name"])
    body = bench.api.merge(path, {"metadata": {"finalizers": [OTHER, names.ACCOUNTING_FINALIZER]}})
    metadata = parse_training_job(bench.api.job("let-go")).metadata
    asyncio.run(release.carry_out(edge, metadata, ReleasePod(read_pod(body))))
    assert bench.api.pod("let-go")["metadata"]["finalizers"] == [OTHER]
    bench.api.merge(path, {"metadata": {"finalizers": None}})
    for action, left in ((AddFinalizer(), [names.SETTLEMENT_FINALIZER]), (RemoveFinalizer(), [])):
        job = parse_training_job(bench.api.job("let-go"))
        made = asyncio.run(release.change_finalizer(edge, job.metadata, action, job.metadata.resource_version))
        assert bench.api.job("let-go")["metadata"]["resourceVersion"] == made
        assert bench.api.job("let-go")["metadata"].get("finalizers", []) == left


def test_access_goes_where_it_is_this_jobs_and_the_job_by_its_uid(bench: Bench) -> None:
    """An account of somebody else's of the same name stays; so does a TrainingJob that was made anew."""
    bench.running("cleared")
    bench.operator.kill()
    edge: Any = bench.api._kube
    metadata = parse_training_job(bench.api.job("cleared")).metadata
    stranger = metadata.model_copy(update={"uid": "another"})
    for action in (RemoveAccess(), DeleteTrainingJob()):
        asyncio.run(release.carry_out(edge, stranger, action))
    account = names.trainer_account("cleared")
    assert bench.api.get(SERVICE_ACCOUNTS, account) is not None
    assert "deletionTimestamp" not in bench.api.job("cleared")["metadata"]
    asyncio.run(release.carry_out(edge, metadata, RemoveAccess()))
    assert bench.api.get(SERVICE_ACCOUNTS, account) is None
    asyncio.run(release.carry_out(edge, metadata, DeleteTrainingJob()))
    assert "deletionTimestamp" in bench.api.job("cleared")["metadata"]
    held = parse_training_job(bench.api.job("cleared")).metadata
    asyncio.run(release.change_finalizer(edge, held, RemoveFinalizer(), held.resource_version))
    assert bench.api.get(TRAINING_JOBS, "cleared") is None
    assert asyncio.run(release.change_finalizer(edge, held, AddFinalizer(), "1")) is None

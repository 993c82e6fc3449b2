"""Claims about letting go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench
from tests.trainyard_operator.builders import UID, observed, pod
from tests.trainyard_operator.memory_api import MemoryApi
from trainyard_api import names
from trainyard_api.training_job import parse_training_job
from trainyard_operator.cluster.kube import PODS, ROLE_BINDINGS, ROLES, SERVICE_ACCOUNTS, TRAINING_JOBS, Kind, KubeError
from trainyard_operator.cluster.pod import read_pod
from trainyard_operator.trainingjob.apply import release
from trainyard_operator.trainingjob.decision.actions import (
    AddFinalizer,
    DeleteTrainingJob,
    ReleasePod,
    RemoveAccess,
    RemoveFinalizer,
)

OTHER = "example.dev/keeps"


def _memory(*kinds: Kind, owner: str = UID) -> MemoryApi:
    api = MemoryApi()
    for kind in kinds:
        references = [{"uid": "another"}, {"uid": owner}]
        metadata = {"name": "sums-trainer", "namespace": "team-a", "uid": f"uid-{kind.plural}"}
        api.hold(kind, {"metadata": metadata | {"ownerReferences": references}})
    return api


def _carry_out(api: MemoryApi, action: Any) -> None:
    kube: Any = api
    asyncio.run(release.carry_out(kube, observed().metadata, action))


RIGHTS = (ROLE_BINDINGS, ROLES, SERVICE_ACCOUNTS)


def test_rights_go_in_the_order_in_which_they_depend_on_each_other() -> None:
    """Those of this very job that are still there."""
    api = _memory(*RIGHTS)
    _carry_out(api, RemoveAccess())
    assert api.writes == [f"delete {kind.plural}/sums-trainer" for kind in RIGHTS]
    assert [api.sent[each] for each in api.writes] == [f"uid-{kind.plural}" for kind in RIGHTS]
    assert api.objects == {}
    _carry_out(api, RemoveAccess())
    assert len(api.writes) == 3
    strange = _memory(*RIGHTS, owner="a-former-job")
    _carry_out(strange, RemoveAccess())
    nobodys = _memory(ROLES)
    del nobodys["/roles/sums-trainer"]["metadata"]["ownerReferences"]
    _carry_out(nobodys, RemoveAccess())
    assert strange.writes == nobodys.writes == []


def test_pod_and_job_are_asked_for_as_they_were_seen() -> None:
    """The pod by its version, without our finalizer; the job by its uid."""
    api = MemoryApi()
    _carry_out(api, ReleasePod(pod(finalizers=(OTHER, names.ACCOUNTING_FINALIZER))))
    _carry_out(api, DeleteTrainingJob())
    assert api.writes == ["finalizers pods/sums-1-abcde", "delete trainingjobs/sums"]
    assert [api.sent[each] for each in api.writes] == [[OTHER], UID]
    api.hold(PODS, {"metadata": {"name": "sums-1-abcde", "namespace": "team-a"}})
    with pytest.raises(KubeError) as caught:
        _carry_out(api, ReleasePod(pod()))
    assert caught.value.conflict


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        (AddFinalizer(), [OTHER], [OTHER, names.SETTLEMENT_FINALIZER]),
        (AddFinalizer(), [names.SETTLEMENT_FINALIZER, OTHER], [OTHER, names.SETTLEMENT_FINALIZER]),
        (RemoveFinalizer(), [names.SETTLEMENT_FINALIZER, OTHER], [OTHER]),
    ],
)
def test_a_finalizer_is_changed_on_one_version(action: Any, before: list[str], after: list[str]) -> None:
    """The answer is the version that it made; of a job that is gone, none."""
    api = MemoryApi()
    kube: Any = api
    metadata = observed().metadata.model_copy(update={"finalizers": before})
    assert asyncio.run(release.change_finalizer(kube, metadata, action, "1")) is None
    held = api.hold(TRAINING_JOBS, {"metadata": {"name": "sums", "namespace": "team-a"}})
    version = held["metadata"]["resourceVersion"]
    made = asyncio.run(release.change_finalizer(kube, metadata, action, version))
    assert api.sent["finalizers trainingjobs/sums"] == after
    assert made == api["/trainingjobs/sums"]["metadata"]["resourceVersion"] != version
    with pytest.raises(KubeError):
        asyncio.run(release.change_finalizer(kube, metadata, action, version))


@pytest.mark.integration
def test_only_our_finalizer_comes_off(bench: Bench) -> None:
    """Of a pod and of a TrainingJob; ours is put on once."""
    made = bench.running("let-go")
    bench.operator.kill()
    edge: Any = bench.api._kube
    path = PODS.path(NAMESPACE, made["metadata"]["name"])
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


@pytest.mark.integration
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

"""Claims about the API server in memory: each of its rules is the real one's, asked the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench, training_job
from tests.trainyard_operator.memory_api import MemoryApi
from trainyard_operator.cluster.kube import CONFIG_MAPS, TRAINING_JOBS, KubeError

Body = dict[str, Any]


def _map(**metadata: Any) -> Body:
    about = {"name": "ruled", "namespace": NAMESPACE} | metadata
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about}


def _said(call: Callable[[], Awaitable[Any]]) -> str:
    """What an answer comes to: who refuses says which sort of refusal it is."""

    async def answered() -> Any:
        return await call()

    try:
        found = asyncio.run(answered())
    except KubeError as error:
        return "conflict" if error.conflict else str(error.status)
    return "nothing" if found is None else "something"


def _objects(api: Any) -> Iterator[str]:
    """Creates, versions, finalizers, labels, uids."""
    maps, path = CONFIG_MAPS.path(NAMESPACE), CONFIG_MAPS.path(NAMESPACE, "ruled")
    yield _said(lambda: api.get(path))
    yield _said(lambda: api.create(maps, _map(labels={"trainyard.dev/rule": "yes"})))
    yield _said(lambda: api.create(maps, _map()))
    for labels in ("trainyard.dev/rule=yes", "trainyard.dev/rule=no"):
        found = asyncio.run(api.list_objects(CONFIG_MAPS, NAMESPACE, labels))
        yield str([each["metadata"]["name"] for each in found])
    made = asyncio.run(api.get(path))["metadata"]
    yield _said(lambda: api.set_finalizers(path, made["resourceVersion"], ["example.dev/x"]))
    yield _said(lambda: api.set_finalizers(path, made["resourceVersion"], []))
    yield _said(lambda: api.apply(path, _map(resourceVersion=made["resourceVersion"]), "somebody"))
    yield _said(lambda: api.set_finalizers(f"{path}-not", "1", []))
    newest = asyncio.run(api.get(path))["metadata"]["resourceVersion"]
    yield str(newest != made["resourceVersion"])
    yield _said(lambda: api.set_finalizers(path, newest, []))
    yield _said(lambda: api.delete(path, "another-uid"))
    yield _said(lambda: api.get(path))
    yield _said(lambda: api.delete(path, made["uid"]))
    yield _said(lambda: api.get(path))
    yield _said(lambda: api.delete(path, made["uid"]))


def _statuses(api: Any) -> Iterator[str]:
    """Statuses: of the newest version or of any, of a uid, of an object that is gone."""
    jobs, path = TRAINING_JOBS.path(NAMESPACE), TRAINING_JOBS.path(NAMESPACE, "ruled")
    made = asyncio.run(api.create(jobs, training_job("ruled")))["metadata"]

    def status(attempts: int, **metadata: Any) -> Body:
        about = {"name": "ruled", "namespace": NAMESPACE} | metadata
        body = {"apiVersion": "trainyard.dev/v1alpha1", "kind": "TrainingJob", "metadata": about}
        return body | {"status": {"attempts": attempts}}

    def now() -> Body:
        return asyncio.run(api.get(path)).get("status", {})

    yield _said(lambda: api.latch(path, made["uid"], {"cancelTime": "2026-01-02T12:00:00Z"}, "stop"))
    yield _said(lambda: api.latch(path, "another-uid", {"cancelTime": "2026-01-03T12:00:00Z"}, "stop"))
    yield _said(lambda: api.apply(f"{path}/status", status(1), "rest"))
    yield _said(lambda: api.apply(f"{path}/status", status(2, resourceVersion=made["resourceVersion"]), "rest"))
    # The reason for a latch: what is applied to a status heeds no uid.
    yield _said(lambda: api.apply(f"{path}/status", status(3, uid="another-uid"), "rest"))
    yield str((now()["attempts"], now()["cancelTime"]))
    asyncio.run(api.set_finalizers(path, asyncio.run(api.get(path))["metadata"]["resourceVersion"], []))
    asyncio.run(api.delete(path, made["uid"]))
    yield _said(lambda: api.apply(f"{path}/status", status(4), "rest"))


@pytest.mark.integration
@pytest.mark.parametrize("exchange", [_objects, _statuses])
def test_it_answers_as_the_real_one(exchange: Callable[[Any], Iterator[str]], bench: Bench) -> None:
    """Word for word, in the order in which it was asked."""
    bench.operator.kill()
    assert list(exchange(MemoryApi())) == list(exchange(bench.api._kube))

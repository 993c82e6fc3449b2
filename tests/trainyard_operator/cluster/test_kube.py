"""Claims about the edge to the API server, on a real one."""

from __future__ import annotations

import asyncio

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench, training_job
from trainyard_operator.cluster import kube
from trainyard_operator.cluster.kube import CONFIG_MAPS, NODES, PODS, TRAINING_JOBS, KubeError

pytestmark = pytest.mark.integration


def _map(name: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}}


def test_paths_are_those_of_the_api() -> None:
    """Core and named groups, with and without namespace, object and subresource."""
    assert PODS.path(None) == "/api/v1/pods"
    assert TRAINING_JOBS.path("n", "x", "status") == "/apis/trainyard.dev/v1alpha1/namespaces/n/trainingjobs/x/status"
    assert NODES.path(None, "node-1") == "/api/v1/nodes/node-1"


def test_what_isnt_there_is_none(bench: Bench) -> None:
    """Not an error: most questions are whether something is there; deleting it again is none either."""
    edge = bench.api._kube
    assert asyncio.run(edge.get(PODS.path(NAMESPACE, "absent"))) is None
    assert asyncio.run(edge.set_finalizers(PODS.path(NAMESPACE, "absent"), "1", [])) is None
    asyncio.run(edge.delete(PODS.path(NAMESPACE, "absent"), "some-uid"))


def test_a_taken_name_and_a_changed_object_are_conflicts(bench: Bench) -> None:
    """A second create, finalizers of an old version, an apply of an old version."""
    edge, path = bench.api._kube, CONFIG_MAPS.path(NAMESPACE, "contested")
    made = asyncio.run(edge.create(CONFIG_MAPS.path(NAMESPACE), _map("contested")))
    old = made["metadata"]["resourceVersion"]
    bench.api.merge(path, {"data": {"a": "1"}})
    stale = _map("contested")
    stale["metadata"]["resourceVersion"] = old
    for call in (
        edge.create(CONFIG_MAPS.path(NAMESPACE), _map("contested")),
        edge.set_finalizers(path, old, ["example.dev/x"]),
        edge.apply(path, stale | {"data": {"a": "2"}}, "somebody"),
    ):
        with pytest.raises(KubeError) as caught:
            asyncio.run(call)
        assert caught.value.conflict


def test_only_the_very_objects_status_is_latched(bench: Bench) -> None:
    """Whatever its version, with a status or without one; a namesake that was made anew keeps its own."""
    bench.operator.kill()
    edge, path = bench.api._kube, TRAINING_JOBS.path(NAMESPACE, "latched")
    made = bench.api.create(TRAINING_JOBS, training_job("latched"))
    uid = made["metadata"]["uid"]

    def latch(of: str, cause: str) -> None:
        stop = {"cause": cause, "time": "2026-01-02T03:04:05Z", "attempt": 1}
        asyncio.run(edge.latch(path, of, {"stop": stop}, "somebody"))

    for other in ("First", "Second"):  # before there is a status, and once there is one
        with pytest.raises(KubeError):
            latch("another-uid", "Other")
        latch(uid, other)
        assert bench.api.job("latched")["status"] == {
            "stop": {"cause": other, "time": "2026-01-02T03:04:05Z", "attempt": 1},
        }


def test_only_the_very_object_is_deleted(bench: Bench) -> None:
    """One of the same name with another uid stays."""
    edge, path = bench.api._kube, CONFIG_MAPS.path(NAMESPACE, "namesake")
    made = asyncio.run(edge.create(CONFIG_MAPS.path(NAMESPACE), _map("namesake")))
    asyncio.run(edge.delete(path, "another-uid"))
    assert asyncio.run(edge.get(path)) is not None
    asyncio.run(edge.delete(path, made["metadata"]["uid"]))
    assert asyncio.run(edge.get(path)) is None


def test_a_refusal_keeps_the_servers_words(bench: Bench) -> None:
    """Status, reason and message, such as which field is wrong."""
    body = training_job("broken", trainer={"startDeadlineSeconds": 1})
    with pytest.raises(KubeError, match=r"spec\.trainer\.startDeadlineSeconds") as caught:
        asyncio.run(bench.api._kube.create(TRAINING_JOBS.path(NAMESPACE), body))
    assert (caught.value.status, caught.value.reason, caught.value.conflict) == (422, "Invalid", False)


def test_long_lists_come_in_chunks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, however many pages that takes."""
    monkeypatch.setattr(kube, "_CHUNK", 2)
    for number in range(5):
        labelled = _map(f"page-{number}")
        labelled["metadata"]["labels"] = {"book": "one"}
        bench.api.create(CONFIG_MAPS, labelled)
    found = asyncio.run(bench.api._kube.list_objects(CONFIG_MAPS, NAMESPACE, "book=one"))
    assert [item["metadata"]["name"] for item in found] == [f"page-{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("status", "refused"),
    [(400, True), (403, True), (422, True), (404, False), (409, False), (429, False), (500, False), (0, False)],
)
def test_a_refusal_is_told_from_what_may_go_another_time(status: int, refused: bool) -> None:
    """A quota says 403, a schema 422; a namespace that terminates 404, a busy server 429 or 500."""
    assert KubeError(status, "", "").refused is refused

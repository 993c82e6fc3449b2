"""Claims about reading the cluster from lists."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.trainyard_operator.builders import JOBS_POD_BODY, NAME, POD_UID, UID, job_body
from trainyard_operator.cluster.kube import CONFIG_MAPS, NODES, PODS, TRAINING_JOBS, Kind
from trainyard_operator.cluster.listing import ClusterListing, list_all


class Server:
    """One TrainingJob and its pod, in the namespace team-a; writes down what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    async def list_objects(self, kind: Kind, namespace: str | None, selector: str) -> list[dict[str, Any]]:
        """What there is of a kind."""
        self.asked.append((kind, namespace, selector))
        return {TRAINING_JOBS: [job_body()], PODS: [JOBS_POD_BODY]}[kind] if namespace in {None, "team-a"} else []

    async def get(self, path: str) -> dict[str, Any]:
        """Has everything."""
        self.asked.append((path,))
        return {}


def _listing(*namespaces: str) -> tuple[Any, ClusterListing]:
    server: Any = Server()
    return server, asyncio.run(list_all(server, (TRAINING_JOBS, PODS), namespaces))


def test_each_kind_is_listed_once_per_namespace_in_its_order() -> None:
    """Of what others make too, only ours."""
    ours = "app.kubernetes.io/managed-by=trainyard-operator"
    assert _listing()[0].asked == [(TRAINING_JOBS, None, ""), (PODS, None, ours)]
    server, listing = _listing("team-a", "team-b")
    assert [(kind, namespace) for kind, namespace, _ in server.asked] == [
        (TRAINING_JOBS, "team-a"),
        (PODS, "team-a"),
        (TRAINING_JOBS, "team-b"),
        (PODS, "team-b"),
    ]
    assert listing.uids(TRAINING_JOBS) == {UID}


def test_what_was_listed_costs_no_request() -> None:
    """An object by name, a run's pods by label and namespace; what isn't listed is absent."""
    server, listing = _listing()
    server.asked.clear()
    found = asyncio.run(listing.get(TRAINING_JOBS, "team-a", NAME))
    assert found is not None
    assert found["metadata"]["uid"] == UID
    assert asyncio.run(listing.get(TRAINING_JOBS, "team-b", NAME)) is None
    assert [pod["metadata"]["uid"] for pod in asyncio.run(listing.of_run(PODS, "team-a", UID))] == [POD_UID]
    assert asyncio.run(listing.of_run(PODS, "team-b", UID)) == []
    assert server.asked == []


def test_what_was_not_listed_is_requested() -> None:
    """Nodes and namespaces, which few ask for; and other kinds."""
    server, listing = _listing()
    server.asked.clear()
    asyncio.run(listing.get(NODES, None, "node-1"))
    asyncio.run(listing.get(CONFIG_MAPS, "team-a", "map"))
    assert server.asked == [("/api/v1/nodes/node-1",), ("/api/v1/namespaces/team-a/configmaps/map",)]

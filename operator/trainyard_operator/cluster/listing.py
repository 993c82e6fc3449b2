"""Reading the cluster in lists that are made once for all objects.

Place in the data's way: station 2, before observing. The tick reads lists, finds out which objects need a pass, and
never writes from them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from trainyard_api import names
from trainyard_operator.cluster.kube import Kind, Kube
from trainyard_operator.cluster.reader import SELECTORS, Body, ClusterReader, LiveReader


class ClusterListing:
    """Answers from lists; an object of a kind that wasn't listed, as a node, is requested.

    Of kinds that others make too only objects with our labels are listed: a stranger's Job shows in the live pass that
    wants to make one.
    """

    def __init__(self, lists: Mapping[Kind, Iterable[Body]], live: ClusterReader) -> None:
        self._live = live
        self._objects: dict[Kind, dict[tuple[str, str], Body]] = {}
        self._runs: dict[tuple[Kind, str, str], list[Body]] = defaultdict(list)
        for kind, bodies in lists.items():
            self._objects[kind] = {}
            for body in bodies:
                metadata = body["metadata"]
                self._objects[kind][metadata["namespace"], metadata["name"]] = body
                uid = metadata.get("labels", {}).get(names.JOB_UID_LABEL)
                if uid is not None:
                    self._runs[kind, metadata["namespace"], uid].append(body)

    def objects(self, kind: Kind) -> list[Body]:
        """Returns all objects of a kind that was listed."""
        return list(self._objects[kind].values())

    def uids(self, kind: Kind) -> set[str]:
        """Returns the uids of all objects of a kind that was listed."""
        return {body["metadata"]["uid"] for body in self._objects[kind].values()}

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body | None:
        """Finds an object; None: it isn't there."""
        if namespace is None or kind not in self._objects:
            return await self._live.get(kind, namespace, name)
        return self._objects[kind].get((namespace, name))

    async def of_run(self, kind: Kind, namespace: str, run_uid: str) -> list[Body]:
        """Finds the objects that carry a run's labels, of a kind that was listed."""
        return self._runs.get((kind, namespace, run_uid), [])


async def list_all(kube: Kube, kinds: Iterable[Kind], namespaces: tuple[str, ...]) -> ClusterListing:
    """Lists each kind once per namespace, in the order of the kinds; no namespace means all of them.

    Raises:
        KubeError: a request failed.
    """
    lists: dict[Kind, list[Body]] = {kind: [] for kind in kinds}
    for namespace in namespaces or (None,):
        for kind in lists:
            lists[kind] += await kube.list_objects(kind, namespace, SELECTORS.get(kind, ""))
    return ClusterListing(lists, LiveReader(kube))

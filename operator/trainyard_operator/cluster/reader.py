"""Two ways to look at the cluster: request by request, or in lists made once for all jobs.

Place in the data's way: station 2, before observing. A pass that was triggered reads live; the tick reads lists, finds
out which jobs need a pass, and never writes from them. TrainingJobs are listed before everything that is made for them.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from trainyard_api import names
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, NAMESPACES, NODES, PODS, TRAINING_JOBS, Kube
from trainyard_operator.ledger import claims
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import LedgerUnavailable
from trainyard_operator.ledger.rows import Claim

Body = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""

MANAGED = f"{names.MANAGED_BY_LABEL}={names.MANAGED_BY}"


class ClusterReader(Protocol):
    """What an observation asks for; None: it isn't there."""

    async def job(self, namespace: str, name: str) -> Body | None:
        """A TrainingJob."""

    async def child(self, namespace: str, name: str) -> Body | None:
        """A batch/v1 Job, whoever made it."""

    async def pods(self, namespace: str, job_uid: str) -> list[Body]:
        """The pods that carry a run's labels."""

    async def checkpoints(self, namespace: str, job_uid: str) -> list[Body]:
        """The Checkpoints that carry a run's labels."""

    async def checkpoint(self, namespace: str, name: str) -> Body | None:
        """A Checkpoint."""

    async def claims(self, job_uid: str) -> tuple[Claim, ...] | None:
        """A run's claims; None: the ledger can't be read."""

    async def node(self, name: str) -> Body | None:
        """A node."""

    async def namespace(self, name: str) -> Body | None:
        """A namespace."""


class LiveReader:
    """Every question is a request."""

    def __init__(self, kube: Kube, ledger: Ledger) -> None:
        self._kube = kube
        self._ledger = ledger

    async def job(self, namespace: str, name: str) -> Body | None:
        """A TrainingJob."""
        return await self._kube.get(TRAINING_JOBS.path(namespace, name))

    async def child(self, namespace: str, name: str) -> Body | None:
        """A batch/v1 Job, whoever made it."""
        return await self._kube.get(JOBS.path(namespace, name))

    async def pods(self, namespace: str, job_uid: str) -> list[Body]:
        """The pods that carry a run's labels."""
        return await self._kube.list_objects(PODS, namespace, f"{MANAGED},{names.JOB_UID_LABEL}={job_uid}")

    async def checkpoints(self, namespace: str, job_uid: str) -> list[Body]:
        """The Checkpoints that carry a run's labels."""
        return await self._kube.list_objects(CHECKPOINTS, namespace, f"{names.JOB_UID_LABEL}={job_uid}")

    async def checkpoint(self, namespace: str, name: str) -> Body | None:
        """A Checkpoint."""
        return await self._kube.get(CHECKPOINTS.path(namespace, name))

    async def claims(self, job_uid: str) -> tuple[Claim, ...] | None:
        """A run's claims; None: the ledger can't be read."""
        try:
            return (await claims.read(self._ledger, [job_uid]))[job_uid]
        except LedgerUnavailable:
            return None  # the ledger has logged it

    async def node(self, name: str) -> Body | None:
        """A node."""
        return await self._kube.get(NODES.path(None, name))

    async def namespace(self, name: str) -> Body | None:
        """A namespace."""
        return await self._kube.get(NAMESPACES.path(None, name))


@dataclass
class Lists:
    """Everything of one tick."""

    jobs: dict[Key, Body] = field(default_factory=dict)
    children: dict[Key, Body] = field(default_factory=dict)
    pods: list[Body] = field(default_factory=list)
    checkpoints: dict[Key, Body] = field(default_factory=dict)
    claims: Mapping[str, tuple[Claim, ...]] | None = None


async def list_all(kube: Kube, ledger: Ledger, namespaces: tuple[str, ...]) -> Lists:
    """One list of each kind (per watched namespace), and one query for the claims of all runs that are open."""
    lists = Lists()
    for namespace in namespaces or (None,):
        lists.jobs |= _by_key(await kube.list_objects(TRAINING_JOBS, namespace))
        lists.children |= _by_key(await kube.list_objects(JOBS, namespace, MANAGED))
        lists.pods += await kube.list_objects(PODS, namespace, MANAGED)
        lists.checkpoints |= _by_key(await kube.list_objects(CHECKPOINTS, namespace))
    # Where the ledger is away the claims stay None; it has logged that.
    with contextlib.suppress(LedgerUnavailable):
        lists.claims = await claims.read(
            ledger, (body["metadata"]["uid"] for body in lists.jobs.values() if _is_open(body))
        )
    return lists


class ClusterListing:
    """Answers from lists; nodes and namespaces, which few jobs ask for, are still requested."""

    def __init__(self, lists: Lists, live: LiveReader) -> None:
        self._lists = lists
        self._live = live
        self._pods: dict[str, list[Body]] = defaultdict(list)
        self._checkpoints: dict[str, list[Body]] = defaultdict(list)
        for body, index in (
            *((body, self._pods) for body in lists.pods),
            *((body, self._checkpoints) for body in lists.checkpoints.values()),
        ):
            uid = body["metadata"].get("labels", {}).get(names.JOB_UID_LABEL)
            if uid is not None:
                index[uid].append(body)

    async def job(self, namespace: str, name: str) -> Body | None:
        """A TrainingJob."""
        return self._lists.jobs.get((namespace, name))

    async def child(self, namespace: str, name: str) -> Body | None:
        """A batch/v1 Job that carries our labels; a stranger's shows in the live pass that wants to make one."""
        return self._lists.children.get((namespace, name))

    async def pods(self, namespace: str, job_uid: str) -> list[Body]:
        """The pods that carry a run's labels."""
        return [body for body in self._pods[job_uid] if body["metadata"]["namespace"] == namespace]

    async def checkpoints(self, namespace: str, job_uid: str) -> list[Body]:
        """The Checkpoints that carry a run's labels."""
        return [body for body in self._checkpoints[job_uid] if body["metadata"]["namespace"] == namespace]

    async def checkpoint(self, namespace: str, name: str) -> Body | None:
        """A Checkpoint."""
        return self._lists.checkpoints.get((namespace, name))

    async def claims(self, job_uid: str) -> tuple[Claim, ...] | None:
        """A run's claims; None: the ledger can't be read."""
        return None if self._lists.claims is None else self._lists.claims.get(job_uid, ())

    async def node(self, name: str) -> Body | None:
        """A node."""
        return await self._live.node(name)

    async def namespace(self, name: str) -> Body | None:
        """A namespace."""
        return await self._live.namespace(name)


def _by_key(bodies: list[Body]) -> dict[Key, Body]:
    return {(body["metadata"]["namespace"], body["metadata"]["name"]): body for body in bodies}


def _is_open(body: Body) -> bool:
    """Whether a job's claims still matter: it goes on, it is being deleted, or a pod of it isn't booked."""
    status = body.get("status", {})
    summary: Body = next((c for c in status.get("conditions", ()) if c["type"] == "Succeeded"), {})
    ended = summary.get("status", "Unknown") != "Unknown"
    return not ended or "deletionTimestamp" in body["metadata"] or bool(status.get("cost", {}).get("openPods"))

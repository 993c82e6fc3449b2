"""Checkpoint as a kind: what is listed for it, and a pass over one of them.

Place in the data's way: station 9. A pass is observe → decide → apply. The tick alone asks for it: an event for each
of the many that trainers commit would cost a request, and only a person's own ones need a pass.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pydantic

from trainyard_operator.checkpoint.apply import write_status
from trainyard_operator.checkpoint.observe import observe
from trainyard_operator.checkpoint.reconcile import decide
from trainyard_operator.cluster.clock import Clock
from trainyard_operator.cluster.kube import CHECKPOINTS, TRAINING_JOBS, Kube
from trainyard_operator.cluster.listing import ClusterListing
from trainyard_operator.cluster.reader import Body, LiveReader
from trainyard_operator.cluster.watch import Watch

log = logging.getLogger(__name__)


@dataclass
class CheckpointController:
    """Passes over Checkpoints."""

    kube: Kube
    clock: Clock

    kind = CHECKPOINTS
    watches: Sequence[Watch] = ()
    lists = (TRAINING_JOBS, CHECKPOINTS)
    chores: Sequence[Callable[[ClusterListing], Awaitable[None]]] = ()

    def seen(self, body: Body) -> None:
        """Does nothing: no Checkpoint is watched."""

    def is_urgent(self, body: Body) -> bool:
        """Returns False: nothing of a Checkpoint costs money."""
        del body
        return False

    async def judge(self, listing: ClusterListing) -> Callable[[Body], Awaitable[bool]]:
        """Returns what tells whether a pass over a listed Checkpoint would write anything."""

        async def is_needed(body: Body) -> bool:
            if body.get("status", {}).get("conditions"):
                return False  # nearly all of them: not worth parsing at every tick
            try:
                return decide(await observe(listing, body), self.clock.now()) is not None
            except pydantic.ValidationError:
                return True

        return is_needed

    async def reconcile(self, namespace: str, name: str) -> None:
        """Makes one pass over a Checkpoint.

        Raises:
            KubeError: a request failed, or the object has changed since it was observed (`conflict`).
        """
        reader = LiveReader(self.kube)
        body = await reader.get(CHECKPOINTS, namespace, name)
        if body is None:
            return
        try:
            observed = await observe(reader, body)
        except pydantic.ValidationError as error:
            log.warning("checkpoint %s/%s: %s", namespace, name, error)
            return
        status = decide(observed, self.clock.now())
        if status is not None:
            await write_status(self.kube, body, status)

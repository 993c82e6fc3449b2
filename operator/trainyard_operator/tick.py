"""The tick: one look at everything, every few seconds, however many jobs there are.

Place in the data's way: stations 2 and 12. Catches what a watch has missed, and what only time changes: cost,
deadlines. It asks for passes and never writes a TrainingJob itself; a job that needs nothing costs no request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import pydantic

from trainyard_api.checkpoint import Checkpoint
from trainyard_operator.checkpoint.objects import imported_status, is_orphan_import
from trainyard_operator.cluster.kube import KubeError
from trainyard_operator.cluster.reader import Body, ClusterListing, ClusterReader, Lists, list_all
from trainyard_operator.health import Health
from trainyard_operator.ledger import migrate
from trainyard_operator.ledger.errors import LedgerUnavailable
from trainyard_operator.ledger.steps import Steps
from trainyard_operator.queue import Queue
from trainyard_operator.trainingjob.apply import write_checkpoint_status
from trainyard_operator.trainingjob.orphans import orphans_in, settle_orphan

log = logging.getLogger(__name__)

_BREATH = 20
"""Jobs between two moments at which other tasks may run."""


@dataclass
class Tick:
    """Looks at all jobs, again and again."""

    queue: Queue
    health: Health
    steps: Steps

    async def run(self) -> None:
        """Ticks until cancelled; a tick that fails is logged, and liveness notices if all do."""
        while True:
            begun = time.monotonic()
            try:
                await self._migrate()
                await self.once()
            except (KubeError, LedgerUnavailable) as error:
                log.warning("tick: %s", error)
            except Exception:
                # A defect must not end the loop silently: it is logged with its trace and liveness stops being renewed.
                log.exception("tick: failed")
            seconds = time.monotonic() - begun
            self.queue.metrics.tick_done(seconds)
            await asyncio.sleep(max(0.1, self.queue.settings.tick_seconds - seconds))

    async def once(self) -> None:
        """One look at everything.

        Raises:
            KubeError: a list failed.
        """
        queue = self.queue
        lists = await list_all(queue.kube, queue.ledger, queue.settings.watch_namespaces)
        reader = ClusterListing(lists, queue.live)
        for number, ((namespace, name), body) in enumerate(lists.jobs.items()):
            if await self._is_needed(body, reader):
                queue.ask(namespace, name)
            if number % _BREATH == 0:
                await asyncio.sleep(0)
        uids = {body["metadata"]["uid"] for body in lists.jobs.values()}
        await self._orphans(lists, uids)
        if lists.claims is not None:
            with contextlib.suppress(LedgerUnavailable):
                await self.steps.count(lists.claims)
        for body in lists.checkpoints.values():
            await self.look_at_checkpoint(body, uids)
        queue.forget(uids)
        queue.metrics.listed(lists.jobs.values())
        self.health.ticked({b["metadata"]["uid"]: b["metadata"]["resourceVersion"] for b in lists.jobs.values()})

    async def _is_needed(self, body: Body, reader: ClusterReader) -> bool:
        try:
            return await self.queue.is_needed(body, reader)
        except Exception:
            # Whatever one job's state provokes must not hide all others from the tick; its own pass says how it goes.
            log.exception("%s/%s: can't be judged from lists", body["metadata"]["namespace"], body["metadata"]["name"])
            return True

    async def look_at_checkpoint(self, body: Body, job_uids: set[str]) -> None:
        """Reports on a Checkpoint that a person has made; those of a living job are its own pass's."""
        if body.get("status", {}).get("conditions"):
            return  # nearly all of them: not worth parsing at every tick
        try:
            checkpoint = Checkpoint.model_validate(body)
            if is_orphan_import(checkpoint, job_uids):
                await write_checkpoint_status(self.queue.kube, body, imported_status(checkpoint, _now()))
        except (KubeError, pydantic.ValidationError) as error:
            log.warning("checkpoint %s/%s: %s", body["metadata"]["namespace"], body["metadata"]["name"], error)

    async def _orphans(self, lists: Lists, job_uids: set[str]) -> None:
        queue = self.queue
        for pod in orphans_in(lists.pods, job_uids):
            try:
                await settle_orphan(
                    queue.kube, queue.ledger, queue.prices, pod, _now(), read_nodes=queue.settings.read_nodes
                )
            except (KubeError, LedgerUnavailable) as error:
                log.warning("orphan %s/%s: %s", pod.namespace, pod.name, error)

    async def _migrate(self) -> None:
        if not self.health.migrated:
            try:
                count = await migrate.bring_up_to_date(self.queue.ledger)
            except LedgerUnavailable:
                return  # the ledger has logged it; jobs that run are looked after all the same
            self.health.migrated = True
            log.info("database: %d migrations applied", count)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)

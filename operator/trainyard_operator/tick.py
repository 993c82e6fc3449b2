"""The tick: one look at everything, every few seconds, however many objects there are.

Place in the data's way: stations 2 and 12. Catches what a watch has missed, and what only time changes: cost,
deadlines. It asks for passes and writes no object itself; one that needs nothing costs no request.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from trainyard_operator.cluster.kube import Kube, KubeError
from trainyard_operator.cluster.listing import ClusterListing, list_all
from trainyard_operator.cluster.reader import Body
from trainyard_operator.health import Health
from trainyard_operator.ledger import migrate
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import LedgerUnavailable
from trainyard_operator.queue import Controller, Key, Queue

log = logging.getLogger(__name__)

_BREATH = 20
"""Objects between two moments at which other tasks may run."""


@dataclass
class Tick:
    """Looks at all objects, again and again."""

    queue: Queue
    kube: Kube
    ledger: Ledger
    health: Health
    namespaces: tuple[str, ...]
    """Empty: all of them."""
    seconds: float
    """From the beginning of a tick to the next one's."""

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
            await asyncio.sleep(max(0.1, self.seconds - seconds))

    async def once(self) -> None:
        """Looks at everything once.

        Raises:
            KubeError: a list failed.
        """
        controllers = list(self.queue.controllers.values())
        kinds = dict.fromkeys(kind for controller in controllers for kind in controller.lists)
        listing = await list_all(self.kube, kinds, self.namespaces)
        for controller in controllers:
            await self._ask(controller, listing)
        for controller in controllers:
            for chore in controller.chores:
                await chore(listing)
        watched = {watch.kind for each in controllers for watch in each.watches if watch.label is None}
        bodies = (body for kind in watched for body in listing.objects(kind))
        self.health.ticked({body["metadata"]["uid"]: body["metadata"]["resourceVersion"] for body in bodies})

    async def _ask(self, controller: Controller, listing: ClusterListing) -> None:
        is_needed = await controller.judge(listing)
        for number, body in enumerate(listing.objects(controller.kind)):
            key = Key(controller.kind, body["metadata"]["namespace"], body["metadata"]["name"])
            if not self.queue.is_running(key) and await _is_needed(is_needed, body, key):
                self.queue.ask(key)
            if number % _BREATH == 0:
                await asyncio.sleep(0)

    async def _migrate(self) -> None:
        if not self.health.migrated:
            try:
                count = await migrate.bring_up_to_date(self.ledger)
            except LedgerUnavailable:
                return  # the ledger has logged it; jobs that run are looked after all the same
            self.health.migrated = True
            log.info("database: %d migrations applied", count)


async def _is_needed(judge: Callable[[Body], Awaitable[bool]], body: Body, key: Key) -> bool:
    try:
        return await judge(body)
    except Exception:
        # Whatever one object's state provokes must not hide all others from the tick; its own pass says how it goes.
        log.exception("%s: can't be judged from lists", key)
        return True

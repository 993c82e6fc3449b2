"""The queue of passes: one at a time per TrainingJob, as many as are asked for, each of them complete.

Place in the data's way: station 2, around observe → plan → apply → events. Whoever sees a change asks for a pass;
requests that come while one runs are answered by one more. A pass that fails is logged and asked for again by the tick.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pydantic

from trainyard_operator.cluster.kube import Kube, KubeError
from trainyard_operator.cluster.post import post_events
from trainyard_operator.cluster.reader import Body, ClusterReader, Key, LiveReader
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import LedgerUnavailable
from trainyard_operator.metrics import Metrics
from trainyard_operator.money.prices import Prices
from trainyard_operator.settings import Settings
from trainyard_operator.trainingjob import attempt, invalid, reconcile
from trainyard_operator.trainingjob.actions import Observed, Plan
from trainyard_operator.trainingjob.apply import Applier
from trainyard_operator.trainingjob.observe import observe
from trainyard_operator.trainingjob.status import halves

log = logging.getLogger(__name__)

COST_SECONDS: Final = 30.0
"""Time between two writes of a cost that only time has changed."""
_CONCURRENT: Final = 8
_CONFLICTS: Final = 5


@dataclass
class Queue:
    """Runs passes on request."""

    kube: Kube
    ledger: Ledger
    applier: Applier
    prices: Prices
    settings: Settings
    metrics: Metrics
    _running: dict[Key, asyncio.Task[None]] = field(default_factory=dict)
    _again: set[Key] = field(default_factory=set)
    _cost_written: dict[str, float] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_CONCURRENT))

    @property
    def live(self) -> LiveReader:
        """The cluster, request by request."""
        return LiveReader(self.kube, self.ledger)

    def ask(self, namespace: str, name: str) -> None:
        """Asks for a pass over one job, soon; never blocks."""
        key = (namespace, name)
        if key in self._running:
            self._again.add(key)
        else:
            self._running[key] = asyncio.create_task(self._run(key), name=f"pass {namespace}/{name}")

    async def settle(self) -> None:
        """Waits until no pass runs."""
        while self._running:
            await asyncio.gather(*self._running.values())

    async def is_needed(self, body: Body, reader: ClusterReader) -> bool:
        """Whether a pass over this job would write anything, judged from lists."""
        key = (body["metadata"]["namespace"], body["metadata"]["name"])
        if key in self._running:
            return False
        try:
            observed = await observe(reader, body, read_nodes=self.settings.read_nodes, refusals=self._refused(body))
        except pydantic.ValidationError:
            return True
        plan = self._plan(observed)
        return bool(plan.actions) or halves(observed.raw_status) != (plan.operator_half, plan.budget_half)

    def forget(self, alive: set[str]) -> None:
        """Drops what is remembered of runs that are gone.

        Args:
            alive: uids of all TrainingJobs.
        """
        for memory in (self._cost_written, self.applier.refusals):
            for uid in [uid for uid in memory if uid not in alive]:
                del memory[uid]

    async def _run(self, key: Key) -> None:
        conflicts = 0
        try:
            while True:
                self._again.discard(key)
                async with self._slots:
                    conflicts = conflicts + 1 if await self._attempt(key) else 0
                if key not in self._again and not 0 < conflicts < _CONFLICTS:
                    return
        finally:
            del self._running[key]

    async def _attempt(self, key: Key) -> bool:
        """One pass; returns whether it met a conflict."""
        begun = time.monotonic()
        result = "ok"
        try:
            await self._pass(key)
        except KubeError as error:
            result = "conflict" if error.conflict else "error"
            log.log(logging.DEBUG if error.conflict else logging.WARNING, "%s/%s: %s", *key, error)
        except LedgerUnavailable as error:
            result = "error"
            log.warning("%s/%s: ledger: %s", *key, error)
        except Exception:
            # Whatever one job's state provokes must not stop the others; the tick asks again, and the metric counts it.
            result = "error"
            log.exception("%s/%s: the pass failed", *key)
        self.metrics.pass_done(result, time.monotonic() - begun)
        return result == "conflict"

    async def _pass(self, key: Key) -> None:
        reader = self.live
        body = await reader.job(*key)
        if body is None:
            return
        now = _now()
        try:
            observed = await observe(reader, body, read_nodes=self.settings.read_nodes, refusals=self._refused(body))
        except pydantic.ValidationError as error:
            await invalid.report(self.kube, body, error, now)
            return
        plan = self._plan(observed)
        wrote = await self.applier.carry_out(observed, plan, now)
        if halves(observed.raw_status)[1] != plan.budget_half:
            self._cost_written[observed.metadata.uid] = time.monotonic()
        if wrote:
            log.info("%s/%s: %s", *key, _summary(observed, plan))
            self.metrics.pass_wrote(observed, plan)
            await post_events(self.kube, observed.job, plan.events, now)

    def _plan(self, observed: Observed) -> Plan:
        age = time.monotonic() - self._cost_written.get(observed.metadata.uid, -COST_SECONDS)
        context = reconcile.Context(
            prices=self.prices,
            trainer_image=self.settings.trainer_image,
            read_nodes=self.settings.read_nodes,
            now=_now(),
            refresh_cost=age >= COST_SECONDS,
        )
        return reconcile.plan(observed, context)

    def _refused(self, body: Body) -> dict[str, str]:
        return self.applier.refusals.get(body["metadata"]["uid"], {})


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _summary(observed: Observed, plan: Plan) -> str:
    conditions: list[dict[str, Any]] = plan.operator_half.get("conditions", [])
    reason = next((c["reason"] for c in conditions if c["type"] == "Succeeded"), "")
    actions = ", ".join(type(action).__name__ for action in plan.actions) or "status"
    return f"{reason}: {actions}" + (" (ended)" if attempt.has_ended(observed) else "")

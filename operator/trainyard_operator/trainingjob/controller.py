"""TrainingJob as a kind: what is watched and listed for it, and a pass over one of them.

Place in the data's way: station 2. A pass is observe → decide → apply → events; the tick judges from lists, by the same
observation and the same decision, whether a pass would write anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from trainyard_api import names
from trainyard_api.conditions import ConditionType, Reason
from trainyard_api.kind import ObjectMeta
from trainyard_operator.cluster.clock import Clock
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, PODS, TRAINING_JOBS, Kube, KubeError
from trainyard_operator.cluster.listing import ClusterListing
from trainyard_operator.cluster.post import post_events
from trainyard_operator.cluster.reader import Body, ClusterReader, LiveReader
from trainyard_operator.cluster.warnings import Warnings
from trainyard_operator.cluster.watch import Watch
from trainyard_operator.ledger import claims
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import LedgerRefused, LedgerUnavailable
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.ledger.steps import Steps
from trainyard_operator.metrics import Metrics
from trainyard_operator.money.prices import Prices
from trainyard_operator.trainingjob import orphans, reconcile
from trainyard_operator.trainingjob.apply import stop
from trainyard_operator.trainingjob.apply.memory import Memory
from trainyard_operator.trainingjob.attempt import standing
from trainyard_operator.trainingjob.decision.actions import Plan
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.decision.status import halves
from trainyard_operator.trainingjob.observe import ClaimsOf, Remembered, observe

log = logging.getLogger(__name__)

COST_SECONDS: Final = 30.0
"""Time between two writes of a cost that only time has changed."""
_LATCH_PAUSES: Final = (0.0, 0.5, 1, 2, 4, 8, 16, 32, 60, 60, 120)
"""Seconds before each try to latch a cancellation: an API server may be away for five minutes."""


class Hands(Protocol):
    """What carries plans out: `apply/applier.py`."""

    memories: dict[str, Memory]
    """Run uid → what the API server has refused to make for it."""

    async def carry_out(self, observed: Observed, plan: Plan, now: datetime) -> bool:
        """Does what the plan says; returns whether anything was written."""


@dataclass
class TrainingJobController:
    """Passes over TrainingJobs."""

    kube: Kube
    ledger: Ledger
    applier: Hands
    prices: Prices
    trainer_image: str
    """Image of pods whose spec names none."""
    read_nodes: bool
    """Whether the operator may get nodes."""
    metrics: Metrics
    steps: Steps
    warnings: Warnings
    clock: Clock
    keep_finished: timedelta
    """How long the Job and the pod of a job that has ended are kept."""
    _cost_written: dict[str, float] = field(default_factory=dict)
    _latches: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """Run uid → the writing of its cancellation that is under way: of one job, one at a time."""

    kind = TRAINING_JOBS
    watches = (
        Watch(TRAINING_JOBS),
        Watch(JOBS, names.JOB_LABEL),
        Watch(PODS, names.JOB_LABEL),
        Watch(CHECKPOINTS, names.JOB_LABEL),
    )
    # TrainingJobs before what is made for them: a new one's pods would seem to belong to none.
    lists = (TRAINING_JOBS, JOBS, PODS, CHECKPOINTS)

    @property
    def chores(self) -> Sequence[Callable[[ClusterListing], Awaitable[None]]]:
        """Settles orphans, counts steps, forgets jobs that are gone, and shows the others, once a tick."""
        return (self._settle_orphans, self._count_steps, self._forget, self._show)

    async def judge(self, listing: ClusterListing) -> Callable[[Body], Awaitable[bool]]:
        """Reads the claims of all open jobs at once; the result tells whether a pass would write anything."""
        found: dict[str, tuple[Claim, ...]] | None = None
        # Where the ledger is away no claim is known; it has logged that.
        with contextlib.suppress(LedgerUnavailable):
            found = await claims.read(self.ledger, _open_uids(listing))

        async def claims_of(run_uid: str) -> tuple[Claim, ...] | None:
            return None if found is None else found.get(run_uid, ())

        async def is_needed(body: Body) -> bool:
            now = self.clock.now()
            observed = await self._observe(listing, claims_of, body, now)
            plan = self._decide(observed, now)
            return bool(plan.actions) or halves(observed.raw_status) != (plan.operator_half, plan.budget_half)

        return is_needed

    def seen(self, body: Body) -> None:
        """Begins to latch a cancellation from the very event that tells of it: the next one may say otherwise."""
        cancelled, uid = body.get("spec", {}).get("cancel") is True, body["metadata"]["uid"]
        if not cancelled or "cancelTime" in body.get("status", {}) or not _goes_on(body) or uid in self._latches:
            return
        self._latches[uid] = asyncio.create_task(self._latch(body), name=f"cancel {uid}")

    async def _latch(self, body: Body) -> None:
        """Tries it ever more seldom, for five minutes; the passes try on while the manifest says so."""
        metadata = ObjectMeta.model_validate({k: body["metadata"][k] for k in ("name", "namespace", "uid")})
        try:
            for pause in _LATCH_PAUSES:
                await asyncio.sleep(pause)
                try:
                    await stop.record_cancel(self.kube, metadata, self.clock.now())
                except KubeError as error:
                    log.warning("%s/%s: cancel: %s", metadata.namespace, metadata.name, error)
                    if error.status == 404:
                        return
                else:
                    return
        finally:
            del self._latches[metadata.uid]

    def is_urgent(self, body: Body) -> bool:
        """Tells whether a job is deleted, cancelled or suspended and may still run."""
        spec = body.get("spec", {})
        if "deletionTimestamp" in body["metadata"]:
            return True
        at_rest = _condition(body, ConditionType.SUSPENDED).get("status") == "True"
        return _goes_on(body) and (spec.get("cancel") is True or (spec.get("suspend") is True and not at_rest))

    async def reconcile(self, namespace: str, name: str) -> None:
        """Makes one pass over a TrainingJob.

        Raises:
            KubeError: a request failed, or the job has changed since it was observed (`conflict`).
            LedgerUnavailable: a row could not be written.
        """
        try:
            await self._pass(namespace, name)
        except LedgerRefused as error:
            log.warning("%s/%s: ledger: %s", namespace, name, error)
            # It is remembered: what goes on without the row is decided anew, and what keeps it is said.
            await self._pass(namespace, name)

    async def _pass(self, namespace: str, name: str) -> None:
        reader = LiveReader(self.kube)
        body = await reader.get(TRAINING_JOBS, namespace, name)
        if body is None:
            return
        now = self.clock.now()
        observed = await self._observe(reader, self._claims_of, body, now)
        plan = self._decide(observed, now)
        wrote = await self.applier.carry_out(observed, plan, now)
        if halves(observed.raw_status)[1] != plan.budget_half:
            self._cost_written[observed.metadata.uid] = time.monotonic()
        if wrote:
            log.info("%s/%s: %s", namespace, name, _summary(observed, plan))
            self.metrics.job_changed(observed.raw_status, plan.operator_half)
            await post_events(self.kube, observed.job, plan.events, now)

    async def _observe(self, reader: ClusterReader, claims_of: ClaimsOf, body: Body, now: datetime) -> Observed:
        memory = self.applier.memories.get(body["metadata"]["uid"], Memory())
        return await observe(
            reader,
            claims_of,
            body,
            warnings_about=self.warnings.about,
            read_nodes=self.read_nodes,
            keep_finished=self.keep_finished,
            now=now,
            remembered=Remembered(dict(memory.stores), memory.start, memory.rows, memory.ledger, dict(memory.claims)),
        )

    def _decide(self, observed: Observed, now: datetime) -> Plan:
        age = time.monotonic() - self._cost_written.get(observed.metadata.uid, -COST_SECONDS)
        context = reconcile.Context(
            prices=self.prices,
            trainer_image=self.trainer_image,
            read_nodes=self.read_nodes,
            now=now,
            refresh_cost=age >= COST_SECONDS,
            keep_finished=self.keep_finished,
        )
        return reconcile.decide(observed, context)

    async def _claims_of(self, run_uid: str) -> tuple[Claim, ...] | None:
        try:
            return (await claims.read(self.ledger, [run_uid]))[run_uid]
        except LedgerUnavailable:
            return None  # the ledger has logged it

    async def _settle_orphans(self, listing: ClusterListing) -> None:
        for pod in orphans.orphans_in(listing.objects(PODS), listing.uids(TRAINING_JOBS)):
            try:
                await orphans.settle_orphan(
                    self.kube, self.ledger, self.prices, pod, self.clock.now(), read_nodes=self.read_nodes
                )
            except (KubeError, LedgerUnavailable) as error:
                log.warning("orphan %s/%s: %s", pod.namespace, pod.name, error)

    async def _count_steps(self, listing: ClusterListing) -> None:
        with contextlib.suppress(LedgerUnavailable):
            await self.steps.count(_open_uids(listing))

    async def _forget(self, listing: ClusterListing) -> None:
        """Drops what is remembered of runs that are gone."""
        alive = listing.uids(TRAINING_JOBS)
        for memory in (self._cost_written, self.applier.memories):
            for uid in [uid for uid in memory if uid not in alive]:
                del memory[uid]

    async def _show(self, listing: ClusterListing) -> None:
        self.metrics.listed(listing.objects(TRAINING_JOBS))


def _open_uids(listing: ClusterListing) -> list[str]:
    """Lists the uids of jobs whose claims still matter."""
    return [body["metadata"]["uid"] for body in listing.objects(TRAINING_JOBS) if _is_open(body)]


def _is_open(body: Body) -> bool:
    """Tells whether a job goes on, is being deleted, has a pod that isn't booked, or lacks objects of checkpoints."""
    cost = body.get("status", {}).get("cost", {})
    unbooked = bool(cost.get("openPods")) or any("name" in pod for pod in cost.get("settledPods", ()))
    lacks = _condition(body, ConditionType.DEGRADED).get("reason") == Reason.CHECKPOINT_REFUSED
    return _goes_on(body) or "deletionTimestamp" in body["metadata"] or unbooked or lacks


def _goes_on(body: Body) -> bool:
    return bool(_condition(body, ConditionType.SUCCEEDED).get("status", "Unknown") == "Unknown")


def _condition(body: Body, kind: ConditionType) -> Body:
    conditions = body.get("status", {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind), {})


def _summary(observed: Observed, plan: Plan) -> str:
    conditions: list[dict[str, Any]] = plan.operator_half.get("conditions", [])
    reason = next((c["reason"] for c in conditions if c["type"] == "Succeeded"), "")
    actions = ", ".join(type(action).__name__ for action in plan.actions) or "status"
    return f"{reason}: {actions}" + (" (ended)" if standing.has_ended(observed) else "")

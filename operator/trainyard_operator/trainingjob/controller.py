"""TrainingJob as a kind: what is watched and listed for it, and a pass over one of them.

Place in the data's way: station 2. A pass is observe → decide → apply → events; the tick judges from lists, by the same
observation and the same decision, whether a pass would write anything.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

import pydantic

from trainyard_api import names
from trainyard_operator.cluster import clock
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, PODS, TRAINING_JOBS, Kube, KubeError
from trainyard_operator.cluster.listing import ClusterListing
from trainyard_operator.cluster.post import post_events
from trainyard_operator.cluster.reader import Body, ClusterReader, LiveReader
from trainyard_operator.cluster.watch import Watch
from trainyard_operator.ledger import claims
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import LedgerUnavailable
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.ledger.steps import Steps
from trainyard_operator.metrics import Metrics
from trainyard_operator.money.prices import Prices
from trainyard_operator.trainingjob import attempt, invalid, orphans, reconcile
from trainyard_operator.trainingjob.actions import Plan
from trainyard_operator.trainingjob.observe import ClaimsOf, observe
from trainyard_operator.trainingjob.observed import Observed
from trainyard_operator.trainingjob.status import halves

log = logging.getLogger(__name__)

COST_SECONDS: Final = 30.0
"""Time between two writes of a cost that only time has changed."""


class Hands(Protocol):
    """What carries plans out: `apply/applier.py`."""

    refusals: dict[str, dict[str, str]]
    """Run uid → checkpoint URI, or name of a child Job → why it couldn't be made."""

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
    _cost_written: dict[str, float] = field(default_factory=dict)

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
            try:
                observed = await self._observe(listing, claims_of, body)
            except pydantic.ValidationError:
                return True
            plan = self._decide(observed)
            return bool(plan.actions) or halves(observed.raw_status) != (plan.operator_half, plan.budget_half)

        return is_needed

    async def reconcile(self, namespace: str, name: str) -> None:
        """Makes one pass over a TrainingJob.

        Raises:
            KubeError: a request failed, or the job has changed since it was observed (`conflict`).
            LedgerUnavailable: a row could not be written.
        """
        reader = LiveReader(self.kube)
        body = await reader.get(TRAINING_JOBS, namespace, name)
        if body is None:
            return
        now = clock.now()
        try:
            observed = await self._observe(reader, self._claims_of, body)
        except pydantic.ValidationError as error:
            await invalid.report(self.kube, body, error, now)
            return
        plan = self._decide(observed)
        wrote = await self.applier.carry_out(observed, plan, now)
        if halves(observed.raw_status)[1] != plan.budget_half:
            self._cost_written[observed.metadata.uid] = time.monotonic()
        if wrote:
            log.info("%s/%s: %s", namespace, name, _summary(observed, plan))
            self.metrics.job_changed(observed.raw_status, plan.operator_half)
            await post_events(self.kube, observed.job, plan.events, now)

    async def _observe(self, reader: ClusterReader, claims_of: ClaimsOf, body: Body) -> Observed:
        refusals = self.applier.refusals.get(body["metadata"]["uid"], {})
        return await observe(reader, claims_of, body, read_nodes=self.read_nodes, refusals=refusals)

    def _decide(self, observed: Observed) -> Plan:
        age = time.monotonic() - self._cost_written.get(observed.metadata.uid, -COST_SECONDS)
        context = reconcile.Context(
            prices=self.prices,
            trainer_image=self.trainer_image,
            read_nodes=self.read_nodes,
            now=clock.now(),
            refresh_cost=age >= COST_SECONDS,
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
                    self.kube, self.ledger, self.prices, pod, clock.now(), read_nodes=self.read_nodes
                )
            except (KubeError, LedgerUnavailable) as error:
                log.warning("orphan %s/%s: %s", pod.namespace, pod.name, error)

    async def _count_steps(self, listing: ClusterListing) -> None:
        with contextlib.suppress(LedgerUnavailable):
            await self.steps.count(_open_uids(listing))

    async def _forget(self, listing: ClusterListing) -> None:
        """Drops what is remembered of runs that are gone."""
        alive = listing.uids(TRAINING_JOBS)
        for memory in (self._cost_written, self.applier.refusals):
            for uid in [uid for uid in memory if uid not in alive]:
                del memory[uid]

    async def _show(self, listing: ClusterListing) -> None:
        self.metrics.listed(listing.objects(TRAINING_JOBS))


def _open_uids(listing: ClusterListing) -> list[str]:
    """Lists the uids of jobs whose claims still matter."""
    return [body["metadata"]["uid"] for body in listing.objects(TRAINING_JOBS) if _is_open(body)]


def _is_open(body: Body) -> bool:
    """Tells whether a job goes on, is being deleted, or has a pod that isn't booked."""
    status = body.get("status", {})
    summary: Body = next((c for c in status.get("conditions", ()) if c["type"] == "Succeeded"), {})
    ended = summary.get("status", "Unknown") != "Unknown"
    return not ended or "deletionTimestamp" in body["metadata"] or bool(status.get("cost", {}).get("openPods"))


def _summary(observed: Observed, plan: Plan) -> str:
    conditions: list[dict[str, Any]] = plan.operator_half.get("conditions", [])
    reason = next((c["reason"] for c in conditions if c["type"] == "Succeeded"), "")
    actions = ", ".join(type(action).__name__ for action in plan.actions) or "status"
    return f"{reason}: {actions}" + (" (ended)" if attempt.has_ended(observed) else "")

"""Carrying a plan out: actions in order, then the status, each half at most once.

Place in the data's way: station 2, after the decision. Every step may find itself done by a pass that was cut off. A
conflict ends the pass: the cluster has changed, so it is looked at again. Decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from trainyard_api import names
from trainyard_api.kind import ObjectMeta
from trainyard_operator.checkpoint.apply import write_status
from trainyard_operator.checkpoint.objects import checkpoint_body, claimed_status
from trainyard_operator.cluster.access import access_bodies
from trainyard_operator.cluster.kube import (
    CHECKPOINTS,
    CONFIG_MAPS,
    JOBS,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    TRAINING_JOBS,
    Kind,
    Kube,
    KubeError,
)
from trainyard_operator.cluster.messages import at_field
from trainyard_operator.cluster.status import apply_status
from trainyard_operator.ledger import runs, spend
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import LedgerUnavailable
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.money.booking import BookSpend
from trainyard_operator.trainingjob import actions as planned
from trainyard_operator.trainingjob.actions import Plan
from trainyard_operator.trainingjob.child_job import Rendering, child_job_body
from trainyard_operator.trainingjob.observed import ChildView, Observed
from trainyard_operator.trainingjob.run_config import config_map_body, config_map_name, run_config_text
from trainyard_operator.trainingjob.status import halves

log = logging.getLogger(__name__)


@dataclass
class Applier:
    """The hands of the operator."""

    kube: Kube
    ledger: Ledger
    default_image: str
    pull_policy: str
    refusals: dict[str, dict[str, str]] = field(default_factory=dict)
    """Run uid → checkpoint URI, or name of a child Job → why it couldn't be made."""

    async def carry_out(self, observed: Observed, plan: Plan, now: datetime) -> bool:
        """Does what the plan says; returns whether anything was written.

        Raises:
            KubeError: a request failed, or the job has changed since it was observed (`conflict`).
            LedgerUnavailable: a row could not be written.
        """
        version: str | None = observed.metadata.resource_version
        acted = False
        for action in plan.actions:
            if isinstance(action, planned.AddFinalizer | planned.RemoveFinalizer):
                version = await self._change_finalizer(observed.metadata, action, version or "")
                if version is None or isinstance(action, planned.RemoveFinalizer):
                    return True
                acted = True
            else:
                acted = await self._act(observed, action, now) or acted
        wrote = await self._write_status(observed, plan, version or "")
        return wrote or acted

    async def _act(self, observed: Observed, action: planned.Action, now: datetime) -> bool:
        """One action; returns whether there was anything to do."""
        match action:
            case planned.StartAttempt(attempt):
                await self._try_start(observed, attempt)
            case planned.EnsureRunConfig(child):
                return await self._ensure_run_config(observed.metadata.namespace, child)
            case planned.DeleteChild(child):
                await self.kube.delete(JOBS.path(observed.metadata.namespace, child.name), child.uid)
            case planned.ReleasePod(pod):
                rest = [name for name in pod.finalizers if name != names.ACCOUNTING_FINALIZER]
                await self.kube.set_finalizers(PODS.path(pod.namespace, pod.name), pod.resource_version, rest)
            case planned.StoreCheckpoint(claim, required):
                await self._store(observed, claim, now, required=required)
            case planned.CopyEvaluation(name, evaluation):
                return await self._copy_evaluation(observed.metadata.namespace, name, evaluation)
            case BookSpend() | planned.EndRun():
                await self._write_ledger(observed.metadata, action)
        return True

    async def _change_finalizer(
        self, metadata: ObjectMeta, action: planned.AddFinalizer | planned.RemoveFinalizer, version: str
    ) -> str | None:
        rest = [name for name in metadata.finalizers if name != names.SETTLEMENT_FINALIZER]
        wanted = [*rest, names.SETTLEMENT_FINALIZER] if isinstance(action, planned.AddFinalizer) else rest
        body = await self.kube.set_finalizers(TRAINING_JOBS.path(metadata.namespace, metadata.name), version, wanted)
        return body["metadata"]["resourceVersion"] if body is not None else None

    async def _try_start(self, observed: Observed, attempt: int) -> None:
        metadata = observed.metadata
        remembered, child_name = self.refusals.setdefault(metadata.uid, {}), names.child_job(metadata.name, attempt)
        try:
            await self._start(observed, attempt)
        except KubeError as error:
            if 400 <= error.status < 500 and error.status not in {409, 429}:
                # This pass ends without a status; the next one says what a person may have to mend, as a quota.
                remembered[child_name] = at_field("metadata.name", f"its pod can't be made: {error}", metadata.name)
            raise
        remembered.pop(child_name, None)

    async def _start(self, observed: Observed, attempt: int) -> None:
        metadata, namespace = observed.metadata, observed.metadata.namespace
        child_name = names.child_job(metadata.name, attempt)
        # The row first: from here on trainers of an earlier attempt are refused.
        await runs.begin_attempt(
            self.ledger,
            run_uid=metadata.uid,
            namespace=namespace,
            name=metadata.name,
            attempt=attempt,
            job_name=child_name,
            tags=observed.spec.tags,
        )
        access = zip((SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS), access_bodies(observed.job), strict=True)
        await asyncio.gather(*(self._grant(kind, body, metadata) for kind, body in access))
        text = run_config_text(observed.job, attempt, observed.pinned, observed.baseline)
        config_map = config_map_name(metadata.name, attempt, text)
        rendering = Rendering(
            attempt, self.default_image, self.pull_policy, config_map, text, observed.pinned, observed.baseline
        )
        child = await self.kube.create(JOBS.path(namespace), child_job_body(observed.job, rendering))
        await self._create_once(CONFIG_MAPS.path(namespace), config_map_body(config_map, text, child))

    async def _grant(self, kind: Kind, body: dict[str, Any], metadata: ObjectMeta) -> None:
        path = kind.path(metadata.namespace, body["metadata"]["name"])
        existing = await self.kube.get(path)
        if existing is not None:
            owners = existing["metadata"].get("ownerReferences", ())
            owner: dict[str, Any] = next((entry for entry in owners if entry.get("controller")), {})
            if owner.get("uid") != metadata.uid:
                # An account of somebody else's may have rights that user code must not get. What a former job of this
                # name has left is being collected.
                former = (owner.get("kind"), owner.get("name")) == ("TrainingJob", metadata.name)
                words = f'{kind.plural} "{body["metadata"]["name"]}" exists and isn\'t controlled by this TrainingJob'
                raise KubeError(409 if former else 422, "NameConflict", words)
        await self.kube.apply(path, body, names.OPERATOR_MANAGER)

    async def _ensure_run_config(self, namespace: str, child: ChildView) -> bool:
        if child.run_config is None:
            return False
        name, text = child.run_config
        if await self.kube.get(CONFIG_MAPS.path(namespace, name)) is not None:
            return False
        body = await self.kube.get(JOBS.path(namespace, child.name))
        if body is None or body["metadata"]["uid"] != child.uid:
            return False
        await self._create_once(CONFIG_MAPS.path(namespace), config_map_body(name, text, body))
        return True

    async def _create_once(self, path: str, body: dict[str, Any]) -> None:
        try:
            await self.kube.create(path, body)
        except KubeError as error:
            if error.status != 409:
                raise

    async def _store(self, observed: Observed, claim: Claim, now: datetime, *, required: bool) -> None:
        metadata = observed.metadata
        remembered = self.refusals.setdefault(metadata.uid, {})
        try:
            await self._store_checkpoint(observed, claim, now)
            remembered.pop(claim.uri, None)
        except KubeError as error:
            if required and (error.status in {0, 429} or error.status >= 500):
                raise
            log.warning("%s/%s: checkpoint %s: %s", metadata.namespace, metadata.name, claim.uri, error)
            if required:
                remembered[claim.uri] = f"checkpoints.uri: the Checkpoint object was refused: {error}; got {claim.uri}"

    async def _store_checkpoint(self, observed: Observed, claim: Claim, now: datetime) -> None:
        metadata, storage = observed.metadata, observed.spec.checkpoints.storage
        body = checkpoint_body(claim, storage, namespace=metadata.namespace, job=metadata.name, job_uid=metadata.uid)
        name = body["metadata"]["name"]
        existing = await self.kube.get(CHECKPOINTS.path(metadata.namespace, name))
        if existing is None:
            existing = await self.kube.create(CHECKPOINTS.path(metadata.namespace), body)
        if existing["spec"]["source"]["uri"] != claim.uri:
            raise KubeError(409, "NameConflict", f"metadata.name: Checkpoint {name} stands for other files")
        reference = observed.status.model_ref
        status = claimed_status(
            claim,
            job=metadata.name,
            job_uid=metadata.uid,
            parent=reference.checkpoint if reference else None,
            generation=existing["metadata"]["generation"],
            now=now,
        )
        await write_status(self.kube, existing, status)

    async def _copy_evaluation(self, namespace: str, name: str, evaluation: Mapping[str, Any]) -> bool:
        existing = await self.kube.get(CHECKPOINTS.path(namespace, name))
        status = (existing or {}).get("status") or {}
        if existing is None or status.get("evaluation") == evaluation:
            return False
        await write_status(self.kube, existing, status | {"evaluation": dict(evaluation)})
        return True

    async def _write_ledger(self, metadata: ObjectMeta, action: BookSpend | planned.EndRun) -> None:
        try:
            if isinstance(action, planned.EndRun):
                await runs.end(self.ledger, metadata.uid, action.reason)
            else:
                await spend.book(
                    self.ledger,
                    action.pod,
                    action.amount,
                    run_uid=metadata.uid,
                    namespace=metadata.namespace,
                    name=metadata.name,
                )
        except LedgerUnavailable as error:
            if action.required:
                raise
            log.warning("%s/%s: the namespace goes, unbooked: %s; %s", metadata.namespace, metadata.name, action, error)

    async def _write_status(self, observed: Observed, plan: Plan, version: str) -> bool:
        metadata = observed.metadata
        operator_half, budget_half = halves(observed.raw_status)
        wrote = False
        # The money first: whoever reads that a job has ended reads what it has cost.
        for before, after, manager in (
            (budget_half, plan.budget_half, names.BUDGET_MANAGER),
            (operator_half, plan.operator_half, names.OPERATOR_MANAGER),
        ):
            if before == after:
                continue
            version = await write_half(self.kube, metadata, version, after, manager)
            wrote = True
        return wrote


async def write_half(kube: Kube, metadata: ObjectMeta, version: str, half: Mapping[str, Any], manager: str) -> str:
    """Applies one half of a TrainingJob's status to the version that was observed; returns the version it made.

    Raises:
        KubeError: it was refused; a conflict where the object has changed since.
    """
    return await apply_status(
        kube,
        TRAINING_JOBS,
        "TrainingJob",
        namespace=metadata.namespace,
        name=metadata.name,
        version=version,
        status=half,
        manager=manager,
    )

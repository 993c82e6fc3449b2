"""Carrying a plan out: what is safe first, then what the status says is done, the status, and what depends on it.

Place in the data's way: station 2, after the decision. A stop is tried first of all, each part of it for itself, and
whatever fails later has no way to keep it. A conflict ends the pass: the cluster has changed, so it is looked at again.
Decides nothing; how an action is done say the room's other modules.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from trainyard_operator.cluster.kube import Kube, KubeError
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import LedgerUnavailable
from trainyard_operator.trainingjob.apply import book, release, start, status, stop, store
from trainyard_operator.trainingjob.apply.memory import Memory
from trainyard_operator.trainingjob.decision.actions import (
    Action,
    ActionClass,
    AddFinalizer,
    BookAtOnce,
    BookClaim,
    BookSpend,
    CopyEvaluation,
    DeleteChild,
    DeletePod,
    DeleteTrainingJob,
    EndRun,
    EnsureRunConfig,
    Plan,
    RecordCancel,
    RecordStop,
    ReleasePod,
    RemoveAccess,
    RemoveFinalizer,
    StartAttempt,
    StoreCheckpoint,
    WriteRows,
)
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults

log = logging.getLogger(__name__)


@dataclass
class Applier:
    """The hands of the operator."""

    kube: Kube
    ledger: Ledger
    defaults: PodDefaults
    memories: dict[str, Memory] = field(default_factory=dict)
    """Run uid → what the API server has refused to make for it, and the ledger to take."""

    async def carry_out(self, observed: Observed, plan: Plan, now: datetime) -> bool:
        """Does what the plan says; returns whether anything was written.

        Raises:
            KubeError: a request failed, or the job has changed since it was observed (`conflict`).
            LedgerUnavailable: a row could not be written.
        """
        acted = await self._each(observed, plan.of(ActionClass.SAFETY), now)
        version: str | None = observed.metadata.resource_version
        for action in plan.of(ActionClass.BEFORE):
            acted = True
            if isinstance(action, AddFinalizer):
                version = await release.change_finalizer(self.kube, observed.metadata, action, version or "")
                if version is None:
                    return True
            else:
                await self._act(observed, action, now)
        made = await status.write(self.kube, observed, plan, version or "")
        for action in plan.of(ActionClass.AFTER):
            acted = await self._act(observed, action, now) or acted
        optional = [action for action in plan.of(ActionClass.OPTIONAL) if not isinstance(action, RemoveFinalizer)]
        acted = await self._each(observed, tuple(optional), now) or acted
        for action in plan.of(ActionClass.OPTIONAL):
            if isinstance(action, RemoveFinalizer):
                await release.change_finalizer(self.kube, observed.metadata, action, made or version or "")
                acted = True
        return acted or made is not None

    async def _each(self, observed: Observed, actions: tuple[Action, ...], now: datetime) -> bool:
        """Carries out actions, each whatever becomes of the others; returns whether there was anything to do."""
        acted = False
        for action in actions:
            try:
                acted = await self._act(observed, action, now) or acted
            except (KubeError, LedgerUnavailable) as error:
                acted = True
                kind, metadata = type(action).__name__, observed.metadata
                log.warning("%s/%s: %s: %s", metadata.namespace, metadata.name, kind, error)
        return acted

    async def _act(self, observed: Observed, action: Action, now: datetime) -> bool:
        """Carries out one action; returns whether there was anything to do."""
        kube, metadata = self.kube, observed.metadata
        match action:
            case RecordStop() | RecordCancel() | DeleteChild() | DeletePod():
                await stop.carry_out(kube, metadata, action, now)
            case ReleasePod() | RemoveAccess() | DeleteTrainingJob():
                await release.carry_out(kube, metadata, action)
            case BookSpend() | BookClaim() | EndRun() | BookAtOnce():
                await book.write(self.ledger, metadata, action, self._memory(observed), now)
            case StartAttempt():
                await start.start(kube, self.ledger, self.defaults, observed, self._memory(observed), now)
            case WriteRows():
                await start.write_rows(kube, self.defaults, observed, action, self._memory(observed), now)
            case EnsureRunConfig(child):
                return await start.ensure_run_config(kube, metadata.namespace, child)
            case StoreCheckpoint():
                await store.store(kube, observed, action, self._memory(observed), now)
            case CopyEvaluation():
                return await store.copy_evaluation(kube, metadata.namespace, action)
            case AddFinalizer() | RemoveFinalizer():
                raise AssertionError("finalizers are the caller's")
        return True

    def _memory(self, observed: Observed) -> Memory:
        return self.memories.setdefault(observed.metadata.uid, Memory())

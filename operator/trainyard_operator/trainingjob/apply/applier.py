"""Carrying a plan out: actions in order, then the status.

Place in the data's way: station 2, after the decision. A conflict ends the pass: the cluster has changed, so it is
looked at again. Decides nothing; how an action is done say the room's other modules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from trainyard_operator.cluster.kube import Kube
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.money.booking import BookSpend
from trainyard_operator.trainingjob.actions import (
    Action,
    AddFinalizer,
    CopyEvaluation,
    DeleteChild,
    EndRun,
    EnsureRunConfig,
    Plan,
    ReleasePod,
    RemoveFinalizer,
    StartAttempt,
    StoreCheckpoint,
)
from trainyard_operator.trainingjob.apply import book, start, status, stop, store
from trainyard_operator.trainingjob.observed import Observed


@dataclass
class Applier:
    """The hands of the operator."""

    kube: Kube
    ledger: Ledger
    default_image: str
    """Image of pods whose spec names none."""
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
            if isinstance(action, AddFinalizer | RemoveFinalizer):
                version = await stop.change_finalizer(self.kube, observed.metadata, action, version or "")
                if version is None or isinstance(action, RemoveFinalizer):
                    return True
                acted = True
            else:
                acted = await self._act(observed, action, now) or acted
        wrote = await status.write(self.kube, observed, plan, version or "")
        return wrote or acted

    async def _act(self, observed: Observed, action: Action, now: datetime) -> bool:
        """Carries out one action; returns whether there was anything to do."""
        namespace = observed.metadata.namespace
        match action:
            case StartAttempt(attempt):
                images = start.Images(self.default_image, self.pull_policy)
                await start.start(self.kube, self.ledger, images, observed, attempt, refused=self._refused(observed))
            case EnsureRunConfig(child):
                return await start.ensure_run_config(self.kube, namespace, child)
            case DeleteChild(child):
                await stop.delete_child(self.kube, namespace, child)
            case ReleasePod(pod):
                await stop.release_pod(self.kube, pod)
            case StoreCheckpoint():
                await store.store(self.kube, observed, action, self._refused(observed), now)
            case CopyEvaluation():
                return await store.copy_evaluation(self.kube, namespace, action)
            case BookSpend() | EndRun():
                await book.write(self.ledger, observed.metadata, action)
        return True

    def _refused(self, observed: Observed) -> dict[str, str]:
        return self.refusals.setdefault(observed.metadata.uid, {})

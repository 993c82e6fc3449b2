"""Letting a deleted TrainingJob go: stop, wait, settle, keep its checkpoints, release.

Place in the data's way: station 2, at the end. Nothing on this path needs a create to succeed; in a namespace that is
terminating everything is settled and released at once. Otherwise an object with something to settle waits for the
ledger, because a pod's spend that isn't in it would be forgotten. Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from trainyard_api import names
from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.cluster.clock import parse_time
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.money.booking import Books
from trainyard_operator.trainingjob import attempt
from trainyard_operator.trainingjob.actions import (
    Action,
    DeleteChild,
    EndRun,
    ReleasePod,
    RemoveFinalizer,
    StoreCheckpoint,
)
from trainyard_operator.trainingjob.findings import Condition, Finding
from trainyard_operator.trainingjob.gates import NO_LEDGER
from trainyard_operator.trainingjob.observed import Observed

MARGIN: Final = timedelta(seconds=60)
"""How much longer than its grace a pod is waited for."""
ENDED_BY_DELETION: Final = "Deleted"
_STOPPING: Final = (
    Condition(ConditionType.SUCCEEDED, None, Reason.STOPPING, "Deleted: its pod stops and its cost is booked."),
    Condition(ConditionType.RECONCILING, True, Reason.STOPPING),
)


def overdue(observed: Observed, now: datetime) -> bool:
    """Tells whether the pods of a deleted job have been waited for long enough."""
    asked = observed.metadata.deletion_timestamp
    grace = timedelta(seconds=observed.spec.checkpoints.stop_grace_seconds)
    return asked is not None and now >= parse_time(asked) + grace + MARGIN


def decide(observed: Observed, books: Books, now: datetime) -> Finding:
    """Decides the next steps of a deletion."""
    if names.SETTLEMENT_FINALIZER not in observed.metadata.finalizers:
        return Finding()
    stop = _stop(observed)
    if observed.namespace_terminating:
        return Finding(actions=(*stop, *_all_holds(observed), *_leave_terminating(observed)))
    conditions = () if attempt.has_ended(observed) else _STOPPING
    if observed.claims is None and not _has_nothing_to_settle(observed):
        away = Condition(ConditionType.DEGRADED, True, Reason.DATABASE_UNAVAILABLE, NO_LEDGER)
        return Finding((*conditions, away), actions=stop)
    waiting = not overdue(observed, now) and not all(pod.ended for pod in observed.pods)
    if stop or waiting or books.open_pods or books.to_book:
        # Booked in this pass: the next one sees it in the status and goes on.
        return Finding(conditions, actions=(*stop, *attempt.releases(observed)))
    stores = tuple(StoreCheckpoint(claim, required=False) for claim in _outstanding(observed))
    end = () if observed.claims is None else (EndRun(ENDED_BY_DELETION),)
    return Finding(conditions, actions=(*stores, *_all_holds(observed), *end, RemoveFinalizer()))


def _all_holds(observed: Observed) -> tuple[ReleasePod, ...]:
    return tuple(ReleasePod(pod) for pod in observed.pods if pod.held)


def _leave_terminating(observed: Observed) -> tuple[Action, ...]:
    if observed.metadata.deletion_timestamp is None:
        return ()
    return (EndRun(ENDED_BY_DELETION, required=False), RemoveFinalizer())


def _stop(observed: Observed) -> tuple[Action, ...]:
    child = observed.child
    return (DeleteChild(child),) if child is not None and child.ours and not child.deleting else ()


def _has_nothing_to_settle(observed: Observed) -> bool:
    """Tells whether the ledger holds all of it already, or nothing was ever begun."""
    cost, began = observed.status.cost, observed.status.attempts or observed.child or observed.pods
    return (attempt.has_ended(observed) or not began) and not (cost and cost.open_pods)


def _outstanding(observed: Observed) -> tuple[Claim, ...]:
    reviewed = observed.review_claims()
    return (*reviewed.to_create, *reviewed.to_fill)

"""Letting a TrainingJob go: stop its pods, settle their cost, make its last checkpoints, take our finalizer off.

Place in the data's way: station 2, on the way out. Nothing here needs a create to succeed: in a namespace that
terminates nothing may be created, and a refused checkpoint is only logged, for its files and its row stay. Nothing
waits for the ledger but the rows of pods, which would be forgotten with the object. Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from trainyard_api import names
from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.cluster.clock import parse_time
from trainyard_operator.money.booking import Books
from trainyard_operator.trainingjob.attempt import standing
from trainyard_operator.trainingjob.attempt.leaving import MARGIN
from trainyard_operator.trainingjob.decision.actions import (
    Action,
    BookAtOnce,
    BookClaim,
    EndRun,
    ReleasePod,
    RemoveFinalizer,
)
from trainyard_operator.trainingjob.decision.findings import Condition, Finding
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.gates.before_start import ledger_trouble
from trainyard_operator.trainingjob.life.stored import lost, stores, unclaimed
from trainyard_operator.trainingjob.life.summary import Unfinished, summarise
from trainyard_operator.trainingjob.stops import stopping
from trainyard_operator.trainingjob.stops.wanted import StopCause

ENDED_BY_DELETION: Final = "Deleted"
_STOPPING: Final = summarise(Unfinished(Reason.STOPPING, "Deleted: its pod stops and its cost is booked."))


def overdue(observed: Observed, now: datetime) -> bool:
    """Tells whether the pods of a deleted job have been waited for long enough."""
    asked = observed.metadata.deletion_timestamp
    grace = timedelta(seconds=observed.grace_seconds)
    return asked is not None and now >= parse_time(asked) + grace + MARGIN


def decide(observed: Observed, books: Books, now: datetime, *, on_record: bool = True) -> Finding:
    """Decides the next steps of a deletion; `on_record`: the status holds how the attempt ended, if it has."""
    if names.SETTLEMENT_FINALIZER not in observed.metadata.finalizers:
        return Finding()
    stop = stopping.stop(observed, StopCause.DELETED)
    if observed.namespace_terminating:
        return Finding(actions=(*stop, *_all_holds(observed), *_leave_terminating(observed, books)))
    conditions = () if standing.has_ended(observed) else _STOPPING
    waiting = not overdue(observed, now) and not (on_record and all(pod.over for pod in observed.pods))
    if stop or waiting or books.open_pods or books.settled:
        # Settled and judged in this pass: the next one sees it in the status and goes on.
        return Finding(conditions, actions=stop)
    if not observed.ledger_up and not _has_nothing_to_settle(observed, books):
        away = Condition(ConditionType.DEGRADED, True, Reason.DATABASE_UNAVAILABLE, ledger_trouble(observed))
        return Finding((*conditions, away), actions=_all_holds(observed))
    claim = unclaimed(observed, now)
    if claim is not None:
        # Its object follows in the next pass; rows that its files carry stay there.
        return Finding(conditions, actions=(*stop, BookClaim(claim)))
    made = stores(observed, observed.review_claims(), now)
    end = (EndRun(ENDED_BY_DELETION),) if observed.ledger_up else ()
    said = tuple(Condition(ConditionType.DEGRADED, True, each.reason, each.message) for each in lost(observed))
    return Finding((*conditions, *said), actions=(*made, *_all_holds(observed), *end, RemoveFinalizer()))


def _all_holds(observed: Observed) -> tuple[ReleasePod, ...]:
    return tuple(ReleasePod(pod) for pod in observed.pods if pod.held)


def _leave_terminating(observed: Observed, books: Books) -> tuple[Action, ...]:
    if observed.metadata.deletion_timestamp is None:
        return ()
    return (BookAtOnce((*books.unwritten, *books.settled), ENDED_BY_DELETION), RemoveFinalizer())


def _has_nothing_to_settle(observed: Observed, books: Books) -> bool:
    """Tells whether the ledger holds all of it already, or nothing was ever begun."""
    began = observed.status.attempts or observed.child or observed.pods
    return (standing.has_ended(observed) or not began) and not books.unwritten

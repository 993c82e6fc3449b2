"""What is left of a job that has ended, and for how long.

Place in the data's way: station 2, after the end. The pod, with its log, and all that was made for it stay for some
time; the TrainingJob itself stays until a person deletes it, or its spec asks for that. Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.cluster.clock import format_time, parse_time
from trainyard_operator.money.booking import Books
from trainyard_operator.trainingjob.attempt import standing
from trainyard_operator.trainingjob.decision.actions import DeleteChild, DeletePod, DeleteTrainingJob, RemoveAccess
from trainyard_operator.trainingjob.decision.findings import Condition, Finding
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.gates.before_start import ledger_trouble
from trainyard_operator.trainingjob.life.stored import show
from trainyard_operator.trainingjob.stops import stopping


def is_closed(observed: Observed, keep: timedelta, now: datetime) -> bool:
    """Tells whether nothing is left to do now: ended, booked, released, stored, and kept for as long as is asked."""
    cost = observed.status.cost
    alive = {pod.uid for pod in observed.pods}
    settled = (cost.settled_pods or []) if cost is not None else []
    booked = cost is None or not (cost.open_pods or any(pod.name or pod.uid not in alive for pod in settled))
    child = observed.child
    quiet = child is None or not child.ours or child.finished or child.deleting
    return (
        standing.has_ended(observed)
        and booked
        and quiet
        and all(pod.over and not pod.held for pod in observed.pods)
        and not _lacks_checkpoints(observed)
        and not _is_due(observed, keep, now)
    )


def decide(observed: Observed, keep: timedelta, now: datetime) -> Finding:
    """Plans what remains of a job that has ended."""
    if _ttl_is_over(observed, now):
        return Finding(actions=(DeleteTrainingJob(),))
    late = _late_checkpoints(observed, now)
    if _is_due(observed, keep, now) and not any(pod.held for pod in observed.pods):
        return _clear(observed, late, now)
    if any(not pod.over for pod in observed.pods) or stopping.may_make_pods(observed):
        return Finding(late.conditions, late.fields, (*late.actions, *stopping.end_all(observed)))
    return late


def show_ledger(observed: Observed, books: Books) -> Finding:
    """Says that rows of what its pods have cost wait for the ledger, and takes it back when they are written."""
    said = observed.reported(ConditionType.DEGRADED).get("reason", Reason.AS_EXPECTED)
    trouble = ledger_trouble(observed) if books.unwritten else ""
    if trouble and said in {Reason.AS_EXPECTED, Reason.DATABASE_UNAVAILABLE}:
        return Finding((Condition(ConditionType.DEGRADED, True, Reason.DATABASE_UNAVAILABLE, trouble),))
    if not trouble and said == Reason.DATABASE_UNAVAILABLE:
        return Finding((Condition(ConditionType.DEGRADED, False, Reason.AS_EXPECTED),))
    return Finding()


def _is_due(observed: Observed, keep: timedelta, now: datetime) -> bool:
    """Tells whether what was made for the last attempt has been kept for long enough."""
    ended = observed.status.completion_time
    if ended is None or not standing.has_ended(observed):
        return False
    cleared = observed.status.cleared_time is not None
    return (not cleared and now >= parse_time(ended) + keep) or _ttl_is_over(observed, now)


def _ttl_is_over(observed: Observed, now: datetime) -> bool:
    ended, ttl = observed.status.completion_time, observed.spec.ttl_seconds_after_finished
    if ended is None or ttl is None or observed.unreadable:
        return False
    return now >= parse_time(ended) + timedelta(seconds=ttl)


def _clear(observed: Observed, late: Finding, now: datetime) -> Finding:
    """Removes Job and pods, with the ConfigMaps that the Job owns; when they are gone, the rights, and says so."""
    child = observed.child
    if (child is not None and child.ours) or observed.pods:
        pods = (DeletePod(pod) for pod in observed.pods if pod.deletion_time is None)
        job = (DeleteChild(child),) if child is not None and child.ours and not child.deleting else ()
        return Finding(late.conditions, late.fields, (*late.actions, *job, *pods))
    fields = {**late.fields, "clearedTime": format_time(now)}
    return Finding(late.conditions, fields, (*late.actions, RemoveAccess()))


def _lacks_checkpoints(observed: Observed) -> bool:
    """Tells whether objects of checkpoints were refused when the job ended: they are still tried."""
    refused = observed.reported(ConditionType.DEGRADED).get("reason") == Reason.CHECKPOINT_REFUSED
    return refused and not observed.unreadable


def _late_checkpoints(observed: Observed, now: datetime) -> Finding:
    looked = observed.ledger_up and observed.checkpoints is not None and not observed.unreadable
    if not _lacks_checkpoints(observed) or not looked:
        return Finding()
    reviewed = observed.review_claims()
    found = show(observed, reviewed, now)
    waiting = bool(reviewed.to_create or reviewed.to_fill)
    mended = () if waiting else (Condition(ConditionType.DEGRADED, False, Reason.AS_EXPECTED),)
    return Finding((*found.conditions, *mended), found.fields, found.actions)

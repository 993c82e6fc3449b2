"""The job's own life: its start, its way, and its end.

Place in the data's way: station 2, after all that stands around the job has been looked at. Pure.
"""

from __future__ import annotations

from datetime import datetime

from trainyard_api import names
from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.checkpoint.claims import ClaimsReview
from trainyard_operator.cluster.clock import format_time
from trainyard_operator.money.booking import Books
from trainyard_operator.trainingjob import attempt, reported
from trainyard_operator.trainingjob.actions import Action, EndRun, StartAttempt
from trainyard_operator.trainingjob.attempt import AttemptView
from trainyard_operator.trainingjob.findings import Condition, Finding
from trainyard_operator.trainingjob.gates import Gate
from trainyard_operator.trainingjob.observed import Observed
from trainyard_operator.trainingjob.outcome import Outcome, unclaimed
from trainyard_operator.trainingjob.summary import summarise


def decide(
    observed: Observed, gate: Gate, view: AttemptView, reviewed: ClaimsReview, *, books: Books, now: datetime
) -> Finding:
    """Ends the job whose end is known, starts what may begin, and otherwise says where it stands."""
    outcome = gate.final or view.outcome
    if outcome is not None:
        done = books.open_pods == () and reviewed.complete and observed.claims is not None and view.pods_gone
        return _end(observed, outcome, reviewed, now, done=done)
    if not view.begun and gate.open and not view.problems:
        return _start(observed, now)
    reason, message = (view.reason, view.message) if view.begun else (Reason.QUEUED, gate.message or view.message)
    return Finding(summarise(observed, None, reason, message), actions=view.actions)


def _start(observed: Observed, now: datetime) -> Finding:
    refused = observed.refusals.get(names.child_job(observed.metadata.name, observed.attempt))
    if refused is not None and observed.reported(ConditionType.DEGRADED).get("message") != refused:
        # Said first, then tried again: a refused pass writes no status.
        why = Condition(ConditionType.DEGRADED, True, Reason.START_REFUSED, refused)
        return Finding((why, *summarise(observed, None, Reason.QUEUED, refused)))
    summary = summarise(observed, None, Reason.STARTING, "The trainer pod is being made.")
    return Finding(summary, attempt.start_fields(observed, now), (StartAttempt(observed.attempt),))


def _end(observed: Observed, outcome: Outcome, reviewed: ClaimsReview, now: datetime, *, done: bool) -> Finding:
    """Stops pods, books spend, makes checkpoints; when all that is `done`, the job has ended."""
    if outcome.success and not done:
        message = f"{outcome.message} Its cost and what it left are recorded."
        return Finding(summarise(observed, None, Reason.RUNNING, message))
    completion = {"completionTime": format_time(now)}
    final = next((claim for claim in reviewed.stored if claim.uri == outcome.committed_uri), None)
    if outcome.success and (final is not None or outcome.committed_uri is None):
        actions: tuple[Action, ...] = (*reported.evaluation(observed, final), EndRun(outcome.reason))
        return Finding(summarise(observed, True, Reason(outcome.reason), outcome.message), completion, actions)
    if outcome.success:
        # Its pod has ended, so no row of that checkpoint will ever come.
        outcome = unclaimed(outcome)
    stop = attempt.stop_if_alive(observed)
    if stop or not done:
        # The verdict must be on record before the evidence may go.
        on_record = observed.reported(ConditionType.STALLED).get("status") == "True"
        summary = summarise(observed, None, Reason.STOPPING, outcome.message, verdict=outcome)
        return Finding(summary, actions=(*stop, *attempt.releases(observed)) if on_record else ())
    summary = summarise(observed, False, Reason.FAILED, outcome.message, verdict=outcome)
    return Finding(summary, completion, (EndRun(outcome.reason),))

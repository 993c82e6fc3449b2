"""The job's own life: where it goes from here.

Place in the data's way: station 2, after all that stands around the job has been looked at. Reads as the order of what
counts: an end that is known, a stop that is wanted, and only then another step. Pure.
"""

from __future__ import annotations

from typing import Final

from trainyard_api.conditions import Reason
from trainyard_operator.trainingjob.attempt.standing import Alive, Ended, NotBegun
from trainyard_operator.trainingjob.decision.findings import Finding
from trainyard_operator.trainingjob.life import attempts, finishing
from trainyard_operator.trainingjob.life.situation import Situation
from trainyard_operator.trainingjob.life.summary import Unfinished, going_on, summarise
from trainyard_operator.trainingjob.stops import stopping
from trainyard_operator.trainingjob.stops.wanted import StopCause

_STOPS: Final = {
    StopCause.CANCELLED: "Cancelled: its pod saves a checkpoint and stops.",
    StopCause.SUSPENDED: "Suspended: its pod saves a checkpoint and stops.",
}


def decide(situation: Situation) -> Finding:
    """Ends the job whose end is known, stops it where that is wanted, and otherwise takes it further."""
    view, gate = situation.view, situation.gate
    if isinstance(view, Ended) and view.outcome.success:
        return finishing.succeed(situation, view)
    if isinstance(view, Ended) and view.outcome.final:
        return finishing.fail(situation, view.outcome)
    if situation.cause is not None:
        return _stop(situation, situation.cause)
    if gate.final is not None:
        return finishing.fail(situation, gate.final)
    return _go_on(situation)


def _stop(situation: Situation, cause: StopCause) -> Finding:
    """Stops what runs; when all is quiet the job is held, or has ended."""
    actions = stopping.stop(situation.observed, cause)
    at_rest = situation.on_record and situation.settled and not isinstance(situation.view, Alive)
    if actions or not at_rest:
        return going_on(Reason.STOPPING, _STOPS[cause], actions=actions)
    if cause is StopCause.CANCELLED:
        return finishing.cancel(situation)
    held = summarise(Unfinished(Reason.SUSPENDED, _what_follows(situation), suspended=True))
    return Finding(held, actions=situation.unclaimed)


def _what_follows(situation: Situation) -> str:
    """Says what a suspended job does once it may go on."""
    status = situation.observed.status
    if status.restarts is not None and status.restarts.held_for is not None:
        return "Held by spec.suspend; without it, an edit of spec.trainer or spec.retry is still waited for."
    # What the status shows, for that is there while the ledger is away.
    if status.latest_checkpoint_ref is not None:
        return "Held by spec.suspend; it goes on from its newest checkpoint when that is false or absent."
    again = "begins again, for it has no checkpoint yet," if status.attempts else "begins"
    return f"Held by spec.suspend; it {again} when that is false or absent."


def _go_on(situation: Situation) -> Finding:
    view, unreadable = situation.view, situation.observed.unreadable
    match view:
        case Alive(_, reason, message):
            return going_on(reason, message)
        case NotBegun() | Ended() if unreadable:
            return going_on(Reason.QUEUED, unreadable)
        case NotBegun():
            return attempts.begin(situation, view)
        case Ended():
            return attempts.follow(situation, view)
        case _:
            message = f"Waiting for the Job controller to make the trainer pod of Job {view.child.name}."
            return going_on(Reason.STARTING, message)

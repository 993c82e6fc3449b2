"""How a job ends: its work is done, or can't be done.

Place in the data's way: from station 4 back to station 2, once. The verdict is on record before the evidence goes, the
cost is booked and checkpoints are objects before `Succeeded` leaves Unknown. Pure.
"""

from __future__ import annotations

from trainyard_api.conditions import Reason
from trainyard_operator.cluster.clock import format_time
from trainyard_operator.trainingjob.attempt import record
from trainyard_operator.trainingjob.attempt.outcome import Outcome, without_result
from trainyard_operator.trainingjob.attempt.standing import Ended
from trainyard_operator.trainingjob.decision.actions import Action, EndRun
from trainyard_operator.trainingjob.decision.findings import Finding
from trainyard_operator.trainingjob.life import carried_rows, reported, stored
from trainyard_operator.trainingjob.life.situation import Situation
from trainyard_operator.trainingjob.life.stored import claim_of
from trainyard_operator.trainingjob.life.summary import Finished, going_on, summarise
from trainyard_operator.trainingjob.stops import stopping


def succeed(situation: Situation, view: Ended) -> Finding:
    """Ends a job whose work is done."""
    observed, outcome = situation.observed, view.outcome
    final = claim_of(situation.reviewed, outcome.committed_uri)
    copies = reported.evaluation(observed, final)
    # Containers that don't end by themselves, as a sidecar, would go on costing.
    work = (*stopping.stop_pods(observed), *situation.unclaimed)
    message = f"{outcome.message} Its cost and what it left are recorded."
    if work or not situation.on_record or not situation.settled or not situation.stored:
        return going_on(Reason.RUNNING, message, actions=(*work, *copies))
    if final is None and outcome.committed_uri is not None:
        # Its pod has ended, so no row of that checkpoint will ever come.
        lost = without_result(outcome)
        kept = record.with_ending(record.record_of(observed), lost, step=None, now=situation.now)
        return going_on(Reason.RESTARTING, lost.message, attempt=kept.to_wire())
    ended = Finished(succeeded=True, reason=outcome.reason, message=outcome.message)
    return _end(situation, ended, outcome.reason, *copies)


def fail(situation: Situation, outcome: Outcome) -> Finding:
    """Ends a job that another attempt wouldn't help."""
    observed = situation.observed
    trains = any(not pod.over and not stopping.writes_rows(observed, pod) for pod in observed.pods)
    goes_on = situation.on_record and (trains or stopping.may_make_pods(observed))
    stop = stopping.end_attempt(observed) if goes_on else ()
    work = (*stop, *situation.unclaimed)
    if work or not situation.on_record or not situation.settled or not situation.stored:
        return going_on(Reason.STOPPING, outcome.message, actions=work)
    ended = Finished(succeeded=False, reason=Reason.FAILED, message=outcome.message, cause=outcome)
    return _end(situation, ended, outcome.reason)


def cancel(situation: Situation) -> Finding:
    """Ends a job that was cancelled and has stopped."""
    if situation.unclaimed or not situation.stored:
        return going_on(Reason.STOPPING, "Cancelled: what it left is recorded.", actions=situation.unclaimed)
    message = "Cancelled; its checkpoints stay." if situation.reviewed.accepted else "Cancelled before a checkpoint."
    ended = Finished(succeeded=False, reason=Reason.CANCELLED, message=message)
    return _end(situation, ended, Reason.CANCELLED)


def _end(situation: Situation, ended: Finished, reason: str, *actions: Action) -> Finding:
    """Ends the job, once the rows that its last checkpoint carries are in the ledger, or can't be."""
    carried = carried_rows.write(situation.observed, situation.now)
    # Objects of checkpoints that were refused are tried further, which `Degraded` remembers: it says that first.
    trouble = () if stored.refusals(situation.observed, situation.reviewed) else carried.trouble
    if carried.waits:
        moving = Reason.RUNNING if ended.succeeded else Reason.STOPPING
        found = going_on(moving, f"{ended.message} Its last rows are being written.", actions=carried.actions)
        return Finding((*found.conditions, *trouble), found.fields, found.actions)
    conditions = (*summarise(ended), *trouble)
    return Finding(conditions, {"completionTime": format_time(situation.now)}, (EndRun(reason), *actions))

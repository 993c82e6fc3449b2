"""How attempts follow each other: the first, and the next one after an end that another attempt may mend.

Place in the data's way: from station 2 to station 3. A number is written before its Job is made; no Job of an earlier
attempt and no pod of the run is left by then, so that two pods never train side by side. Pure.
"""

from __future__ import annotations

from trainyard_api import names
from trainyard_api.conditions import Reason
from trainyard_api.training_job_status import MAX_PODS, Restarts
from trainyard_operator.checkpoint.uri import run_uri
from trainyard_operator.cluster.messages import bounded
from trainyard_operator.trainingjob.attempt import record, restarts, standing
from trainyard_operator.trainingjob.attempt.standing import Ended, NotBegun
from trainyard_operator.trainingjob.decision.actions import StartAttempt
from trainyard_operator.trainingjob.decision.findings import Finding, Problem
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.gates.before_start import ledger_trouble
from trainyard_operator.trainingjob.life.situation import Situation
from trainyard_operator.trainingjob.life.summary import going_on, in_the_way
from trainyard_operator.trainingjob.stops import stopping


def begin(situation: Situation, view: NotBegun) -> Finding:
    """Starts the attempt if nothing stands in the way."""
    observed = situation.observed
    if record.record_of(observed).job_ref is not None and not view.leaving:
        # Its Job was made and is gone without a pod: a name is used once.
        return _announce(observed, observed.status.restarts)
    waits = _waits_for(situation, view)
    if waits is not None:
        return going_on(Reason.QUEUED, waits, actions=stopping.stop_pods(observed))
    obstacle = _obstacle(situation)
    if obstacle is not None and (observed.refused_start is None or situation.now < observed.refused_start.again):
        return in_the_way(obstacle, Reason.QUEUED)
    started = standing.start_fields(observed, situation.now) | {"attempt": record.begun(observed).to_wire()}
    start = (StartAttempt(observed.attempt),)
    if obstacle is not None:
        return in_the_way(obstacle, Reason.QUEUED, actions=start, **started)
    return going_on(Reason.STARTING, "The trainer pod is being made.", actions=start, **started)


def follow(situation: Situation, view: Ended) -> Finding:
    """Makes another attempt, once the last one is settled and its pause is over; until then its pod stays."""
    observed, outcome = situation.observed, view.outcome
    ending = record.ending_of(observed)
    if ending is None:
        # The verdict is on record before the evidence goes.
        return going_on(Reason.RESTARTING, outcome.message)
    stop = stopping.end_attempt if stopping.may_make_pods(observed) else stopping.stop_pods
    work = (*stop(observed), *situation.unclaimed)
    trouble = ledger_trouble(observed)
    if work or not situation.settled or trouble:
        return going_on(Reason.RESTARTING, trouble or outcome.message, actions=work)
    newest = situation.reviewed.latest_accepted
    found = restarts.after(
        restarts.End(
            observed.attempt,
            ending,
            None if newest is None else newest.uri,
            observed.metadata.generation,
            record.record_of(observed).trainer_digest,
        ),
        observed.status.restarts or Restarts(),
        observed.spec,
        situation.now,
    )
    counted = found.counted.to_wire()
    if isinstance(found, restarts.Held):
        return in_the_way(_with_log(found.problem, observed), Reason.RESTARTING, restarts=counted)
    if found.message:
        return going_on(Reason.RESTARTING, found.message, restarts=counted)
    if observed.child is not None and observed.child.ours:
        goes, message = stopping.end_attempt(observed), "The earlier Job has to go first."
        return going_on(Reason.RESTARTING, message, actions=goes, restarts=counted)
    return _announce(observed, found.counted)


def _with_log(problem: Problem, observed: Observed) -> Problem:
    """Adds where the log of the attempt lies once its pod is gone."""
    metadata = observed.metadata
    folder = run_uri(observed.spec.checkpoints.storage, metadata.namespace, metadata.name, metadata.uid)
    log = f"Its log, if it ran for 30 s: {folder}{names.attempt_log(observed.attempt)}"
    return Problem(problem.reason, f"{bounded(problem.message, 700)} {log}")


def _waits_for(situation: Situation, view: NotBegun) -> str | None:
    """Finds what the start has to wait for; None: nothing."""
    if view.problem is not None:
        return view.problem.message
    if view.leaving:
        return "An earlier Job of this attempt has to go first."
    if not situation.gate.open:
        return situation.gate.message
    if any(not pod.over for pod in situation.observed.pods):
        # One whose Job is gone, say.
        return "An earlier pod has to end first."
    return None


def _obstacle(situation: Situation) -> Problem | None:
    """Finds what a person has to clear away; None: nothing."""
    pods = len(situation.observed.pods) + len(situation.books.unwritten)
    if pods >= MAX_PODS:
        rule = f"status.cost: holds {MAX_PODS} pods, and earlier ones must be booked first; got {pods}"
        return Problem(Reason.TOO_MANY_PODS, rule)
    refused = situation.observed.refused_start
    return None if refused is None else Problem(Reason.START_REFUSED, refused.message)


def _announce(observed: Observed, counted: Restarts | None) -> Finding:
    """Makes the next attempt the current one; the next pass makes its Job, from what the status holds."""
    number = observed.attempt + 1
    fresh = record.fresh(observed, number)
    return going_on(
        Reason.RESTARTING,
        f"Attempt {number} begins.",
        attempts=number,
        attempt=fresh.to_wire(),
        podRef=None,
        jobRef=None,
        restarts=None if counted is None else counted.to_wire(),
    )

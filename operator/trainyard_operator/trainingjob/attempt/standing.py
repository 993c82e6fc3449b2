"""Where the current attempt stands: not begun, starting, running, ended, and how.

Place in the data's way: from stations 3 and 4 back to station 2. Reads the child Job and the pods of one attempt. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from trainyard_api import names
from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.cluster.clock import format_time
from trainyard_operator.cluster.messages import at_field, bounded
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.trainingjob.attempt import record
from trainyard_operator.trainingjob.attempt.outcome import Circumstances, Outcome, Run, judge_end, judge_start
from trainyard_operator.trainingjob.decision.actions import Action, EnsureRunConfig
from trainyard_operator.trainingjob.decision.findings import Finding, Problem
from trainyard_operator.trainingjob.decision.observed import ChildView, Observed
from trainyard_operator.trainingjob.stops import stopping
from trainyard_operator.trainingjob.stops.wanted import wanted

PATIENCE: Final = timedelta(seconds=10)
"""How long a child Job may be without a pod before it is asked why."""


@dataclass(frozen=True)
class NotBegun:
    """Neither its child Job nor a pod of it exists, or the Job's name is taken."""

    problem: Problem | None = None
    leaving: bool = False
    """Whether a Job that was made for it is still going."""


@dataclass(frozen=True)
class Waiting:
    """Its child Job exists, without a pod so far."""

    child: ChildView
    problem: Problem | None = None


@dataclass(frozen=True)
class Alive:
    """Its pod exists and hasn't ended: starting, running, or being stopped."""

    pod: PodView
    reason: Reason
    message: str
    problem: Problem | None = None


@dataclass(frozen=True)
class Ended:
    """It has ended, or must: its pod may still have to be stopped."""

    outcome: Outcome
    pod: PodView | None = None
    on_record: bool = False
    """Whether the status holds the verdict."""


AttemptView = NotBegun | Waiting | Alive | Ended


def has_ended(observed: Observed) -> bool:
    """Tells whether `Succeeded` has left Unknown, which it does once."""
    return bool(observed.reported(ConditionType.SUCCEEDED).get("status", "Unknown") != "Unknown")


def look(observed: Observed, run: Run, now: datetime) -> AttemptView:
    """Finds where the attempt stands."""
    ending, pod = record.ending_of(observed), _pod_of(observed)
    if ending is not None:
        return Ended(record.outcome_of(ending), pod, on_record=True)
    around = _circumstances(observed, pod)
    if pod is None:
        return _without_pod(observed, run, around)
    if pod.ended:
        return Ended(judge_end(pod, run, around), pod)
    end, trouble = judge_start(pod, run, around, now)
    return Ended(end, pod) if end is not None else _alive(pod, trouble)


def show(observed: Observed, view: AttemptView, now: datetime) -> Finding:
    """Names the pod whose reports count, what keeps the attempt from going on, and what must be remembered of it."""
    pod = None if isinstance(view, NotBegun | Waiting) else view.pod
    fields: dict[str, Any] = {}
    if not isinstance(view, NotBegun):
        # The pass that made the child may have ended before it could say so.
        fields |= start_fields(observed, now)
        kept = record.with_start(record.record_of(observed), observed.child, pod, now)
        if isinstance(view, Ended) and not view.on_record:
            kept = record.with_ending(kept, view.outcome, step=_step(observed), now=now)
        fields["attempt"] = kept.to_wire()
    if pod is not None:
        fields["podRef"] = {"name": pod.name, "uid": pod.uid}
    problem = None if isinstance(view, Ended) else view.problem
    return Finding(fields=fields, actions=_run_config(observed, view), problems=() if problem is None else (problem,))


def start_fields(observed: Observed, now: datetime) -> dict[str, Any]:
    """Names the attempt that begins or has begun, its Job, and when the first one began."""
    return {
        "attempts": observed.attempt,
        "jobRef": {"name": names.child_job(observed.metadata.name, observed.attempt)},
        "startTime": observed.raw_status.get("startTime") or format_time(now),
    }


def _pod_of(observed: Observed) -> PodView | None:
    """Picks the pod whose reports count: the one on record, else the oldest."""
    known = observed.status.pod_ref
    mine = observed.trainers
    if known is not None:
        return next((pod for pod in mine if pod.uid == known.uid), None)
    return min(mine, key=lambda pod: (pod.created_time, pod.uid), default=None)


def _circumstances(observed: Observed, pod: PodView | None) -> Circumstances:
    child = observed.child
    return Circumstances(
        stop_asked=stopping.stop_asked(observed, pod),
        ever_started=record.record_of(observed).first_start_time is not None,
        deadline_exceeded=child is not None and child.ours and child.deadline_exceeded,
    )


def _without_pod(observed: Observed, run: Run, around: Circumstances) -> AttemptView:
    child = observed.child
    if observed.status.pod_ref is not None:
        return Ended(judge_end(None, run, around))
    if child is None:
        return NotBegun()
    if not child.ours:
        return NotBegun(Problem(Reason.NAME_CONFLICT, _name_conflict(child.name)))
    if child.deleting:
        return NotBegun(leaving=True)
    if child.finished:
        return Ended(judge_end(None, run, around))
    return Waiting(child, _pod_refused(observed, child))


def _pod_refused(observed: Observed, child: ChildView) -> Problem | None:
    if not observed.pod_refusal:
        return None
    rule = f"the Job controller can't make the pod of Job {child.name}: {observed.pod_refusal}"
    return Problem(Reason.POD_REFUSED, at_field("spec.trainer", rule, observed.metadata.name))


def _name_conflict(name: str) -> str:
    job = name.rpartition("-")[0]
    return at_field("metadata.name", f'the Job "{name}" exists and isn\'t controlled by this TrainingJob', job)


def _alive(pod: PodView, trouble: Outcome | None) -> Alive:
    if pod.deletion_time is not None:
        return Alive(pod, Reason.STOPPING, f"Pod {pod.name} is being stopped.")
    if pod.started:
        return Alive(pod, Reason.RUNNING, f"Pod {pod.name} is training.")
    if trouble is not None:
        return Alive(pod, Reason.STARTING, trouble.message, Problem(trouble.reason, trouble.message))
    if pod.bound:
        return Alive(pod, Reason.STARTING, f"Pod {pod.name} is starting on node {pod.node_name}.")
    if pod.unschedulable is not None:
        message = bounded(f"Pod {pod.name} can't be scheduled: {pod.unschedulable}")
        return Alive(pod, Reason.STARTING, message, Problem(Reason.UNSCHEDULABLE, message))
    return Alive(pod, Reason.STARTING, f"Pod {pod.name} is waiting for a node.")


def _run_config(observed: Observed, view: AttemptView) -> tuple[Action, ...]:
    """Plans to make sure of the run config until the container has started: a pass may have died before it was made."""
    child = observed.child
    begins = isinstance(view, Waiting) or (isinstance(view, Alive) and not view.pod.started)
    if not begins or child is None or not child.ours or wanted(observed) is not None:
        return ()
    return (EnsureRunConfig(child),)


def _step(observed: Observed) -> int | None:
    return observed.status.progress.step if observed.status.progress is not None else None

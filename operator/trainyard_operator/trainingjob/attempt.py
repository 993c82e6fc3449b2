"""Where the current attempt stands: not begun, starting, running, ended, and how.

Place in the data's way: from stations 3 and 4 back to station 2. Reads the child Job and the pods of one attempt. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trainyard_api import names
from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.cluster.clock import format_time
from trainyard_operator.cluster.messages import at_field, bounded
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.trainingjob.actions import Action, DeleteChild, EnsureRunConfig, ReleasePod
from trainyard_operator.trainingjob.findings import Finding, Problem
from trainyard_operator.trainingjob.observed import Observed
from trainyard_operator.trainingjob.outcome import Outcome, Run, judge_end, judge_start


@dataclass(frozen=True)
class AttemptView:
    """What the current attempt is doing."""

    begun: bool
    """Its child Job or its pod exists, or has existed."""
    reason: Reason = Reason.STARTING
    message: str = ""
    pod: PodView | None = None
    """The pod whose reports count."""
    outcome: Outcome | None = None
    """How it ended, or must end."""
    problems: tuple[Problem, ...] = ()
    actions: tuple[Action, ...] = ()
    pods_gone: bool = True
    """Whether no pod of the run goes on."""


def has_ended(observed: Observed) -> bool:
    """Tells whether `Succeeded` has left Unknown, which it does once."""
    return bool(observed.reported(ConditionType.SUCCEEDED).get("status", "Unknown") != "Unknown")


def is_closed(observed: Observed) -> bool:
    """Tells whether nothing is left to do: the job ended, its pods are released, its child makes no more."""
    cost = observed.status.cost
    alive = {pod.uid for pod in observed.pods}
    booked = cost is None or not (cost.open_pods or any(pod.uid not in alive for pod in cost.settled_pods or []))
    child = observed.child
    quiet = child is None or not child.ours or child.finished or child.deleting
    return has_ended(observed) and booked and quiet and not any(pod.held for pod in observed.pods)


def look(observed: Observed, run: Run, now: datetime) -> AttemptView:
    """Finds where the attempt stands."""
    child, known = observed.child, observed.status.pod_ref
    mine = [pod for pod in observed.pods if pod.attempt == observed.attempt]
    pod = next((p for p in mine if known is not None and p.uid == known.uid), None)
    if known is None:
        pod = min(mine, key=lambda p: (p.created_time, p.uid), default=None)
    gone = all(p.ended for p in observed.pods)
    recorded = _recorded(observed)
    if recorded is not None:
        return AttemptView(begun=True, pod=pod, outcome=recorded, pods_gone=gone)
    if pod is None:
        return _without_pod(observed, run, pods_gone=gone)
    if pod.ended:
        return AttemptView(begun=True, pod=pod, outcome=judge_end(pod, run, stop_asked=False), pods_gone=gone)
    end, trouble = judge_start(pod, run, now)
    if end is not None:
        return AttemptView(begun=True, pod=pod, outcome=end, pods_gone=gone)
    ensure = (EnsureRunConfig(child),) if child is not None and child.ours and not pod.started else ()
    reason, message, problems = _progress_of(pod, trouble)
    return AttemptView(
        begun=True, reason=reason, message=message, pod=pod, problems=problems, actions=ensure, pods_gone=False
    )


def show(observed: Observed, view: AttemptView, now: datetime) -> Finding:
    """Names the pod whose reports count, and what keeps the attempt from going on."""
    fields: dict[str, Any] = {}
    if view.pod is not None:
        fields["podRef"] = {"name": view.pod.name, "uid": view.pod.uid}
    if view.pod is not None or (observed.child is not None and observed.child.ours):
        # The pass that made the child may have ended before it could say so.
        fields |= start_fields(observed, now)
    return Finding(fields=fields, problems=view.problems)


def start_fields(observed: Observed, now: datetime) -> dict[str, Any]:
    """Names the attempt that begins or has begun, its Job, and when the first one began."""
    return {
        "attempts": observed.attempt,
        "jobRef": {"name": names.child_job(observed.metadata.name, observed.attempt)},
        "startTime": observed.raw_status.get("startTime") or format_time(now),
    }


def tidy(observed: Observed) -> Finding:
    """Plans what remains of a job that has ended: a child that could make pods goes, booked pods are released."""
    return Finding(actions=(*stop_if_alive(observed), *releases(observed)))


def stop_if_alive(observed: Observed) -> tuple[Action, ...]:
    """Plans to delete the child Job where it has a pod that goes on, or could make another.

    One whose pod has run to its end makes no more (backoffLimit 0), and is kept with the pod's log. The kubelet may
    report the container's end some time before the pod's phase, so the phase alone doesn't tell; a pod that is gone
    without either may yet be replaced.
    """
    child = observed.child
    if child is None or not child.ours or child.deleting or child.finished:
        return ()
    mine = [pod for pod in observed.pods if pod.attempt == observed.attempt]
    ran_out = all(pod.terminal or pod.exit_code is not None for pod in mine)
    return () if mine and ran_out else (DeleteChild(child),)


def releases(observed: Observed) -> tuple[Action, ...]:
    """Plans the release of pods that are booked, or are gone and never cost anything."""
    cost = observed.status.cost
    booked = {pod.uid for pod in (cost.settled_pods or [] if cost else [])}
    free = (p for p in observed.pods if p.held and (p.uid in booked or (p.ended and not p.bound)))
    return tuple(ReleasePod(pod) for pod in free)


def _recorded(observed: Observed) -> Outcome | None:
    """Reads the verdict that an earlier pass has written; it stands, whatever becomes of the evidence."""
    stalled = observed.reported(ConditionType.STALLED)
    return Outcome(stalled["reason"], stalled.get("message", "")) if stalled.get("status") == "True" else None


def _without_pod(observed: Observed, run: Run, *, pods_gone: bool) -> AttemptView:
    child = observed.child
    if observed.status.pod_ref is not None:
        return AttemptView(begun=True, outcome=judge_end(None, run, stop_asked=False), pods_gone=pods_gone)
    if child is None:
        return AttemptView(begun=False, reason=Reason.QUEUED, pods_gone=pods_gone)
    if not child.ours or child.deleting:
        message = _name_conflict(child.name)
        return AttemptView(False, Reason.QUEUED, message, problems=(Problem(Reason.NAME_CONFLICT, message),))
    if child.finished:
        return AttemptView(begun=True, outcome=judge_end(None, run, stop_asked=False), pods_gone=pods_gone)
    message = f"Waiting for the Job controller to make the trainer pod; events of Job {child.name} say what keeps it."
    return AttemptView(begun=True, message=message, actions=(EnsureRunConfig(child),), pods_gone=pods_gone)


def _name_conflict(name: str) -> str:
    job = name.rpartition("-")[0]
    return at_field("metadata.name", f'the Job "{name}" exists and isn\'t controlled by this TrainingJob', job)


def _progress_of(pod: PodView, trouble: Outcome | None) -> tuple[Reason, str, tuple[Problem, ...]]:
    if pod.deletion_time is not None:
        return Reason.STOPPING, f"Pod {pod.name} is being stopped by somebody else.", ()
    if pod.started:
        return Reason.RUNNING, f"Pod {pod.name} is training.", ()
    if trouble is not None:
        return Reason.STARTING, trouble.message, (Problem(trouble.reason, trouble.message),)
    if pod.bound:
        return Reason.STARTING, f"Pod {pod.name} is starting on node {pod.node_name}.", ()
    if pod.unschedulable is not None:
        message = bounded(f"Pod {pod.name} can't be scheduled: {pod.unschedulable}")
        return Reason.STARTING, message, (Problem(Reason.UNSCHEDULABLE, message),)
    return Reason.STARTING, f"Pod {pod.name} is waiting for a node.", ()

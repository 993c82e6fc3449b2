"""What was told to go and doesn't: a person has to look, for nothing that follows may begin beside it.

Place in the data's way: from stations 3 and 4 back to station 2. A pod stays when its node is lost, a Job when somebody
else's finalizer keeps it. Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from trainyard_api.conditions import Reason
from trainyard_operator.cluster.messages import bounded
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.trainingjob.decision.findings import Finding, Problem
from trainyard_operator.trainingjob.decision.observed import ChildView, Observed

MARGIN: Final = timedelta(seconds=60)
"""How much longer than its grace something may take to go."""


def show(observed: Observed, now: datetime) -> Finding:
    """Finds what should long be gone: of pods the first, else the child Job."""
    child = observed.child
    problems = [_of_pod(pod) for pod in observed.pods if not pod.over and _late(pod.deletion_time, now)]
    if child is not None and child.ours and _late(child.deletion_time, now):
        problems.append(_of_job(child))
    return Finding(problems=tuple(problems[:1]))


def _late(deletion: datetime | None, now: datetime) -> bool:
    return deletion is not None and now >= deletion + MARGIN


def _of_pod(pod: PodView) -> Problem:
    return Problem(
        Reason.DELETION_OVERDUE,
        f"Pod {pod.name} was told to go and may still run on node {pod.node_name}; nothing follows until it is gone. "
        "If the node is lost, delete the node; if nothing of the pod runs any more, delete the pod by force.",
    )


def _of_job(child: ChildView) -> Problem:
    keepers = ", ".join(child.finalizers) or "none"
    rule = f"Job {child.name} was told to go, and nothing follows until it is gone; its finalizers: {keepers}."
    return Problem(Reason.DELETION_OVERDUE, bounded(rule))

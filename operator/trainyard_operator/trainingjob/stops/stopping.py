"""The one way to stop: the cause on record, the child Job deleted, then its pods, by us.

Place in the data's way: from station 2 to stations 3 and 4. Whatever ends an attempt before its time stops it this way.
Nothing waits for the garbage collector or for a write to succeed: each action is tried by itself, first of all. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from trainyard_operator.cluster.pod import PodView
from trainyard_operator.trainingjob.decision.actions import Action, DeleteChild, DeletePod, RecordStop
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.stops.wanted import StopCause, wanted


def stop(observed: Observed, cause: StopCause) -> tuple[Action, ...]:
    """Plans to stop the attempt for a cause; what is done already is not planned again."""
    record = observed.status.stop
    known = record is not None and (record.cause, record.attempt) == (cause.value, observed.attempt)
    work = end_attempt(observed) if cause is not StopCause.DELETED else end_all(observed)
    runs = bool(work) or any(not pod.over and not writes_rows(observed, pod) for pod in observed.pods)
    return (*(() if known or not runs else (RecordStop(cause.value, observed.attempt),)), *work)


def end_attempt(observed: Observed) -> tuple[Action, ...]:
    """Plans that the child Job makes no more pods, and that those it has made stop."""
    child = observed.child
    goes = () if child is None or not child.ours or child.deleting else (DeleteChild(child),)
    return (*goes, *stop_pods(observed))


def end_all(observed: Observed) -> tuple[Action, ...]:
    """Plans the same, and that nothing goes on writing the rows that a checkpoint carries: both Jobs before any pod."""
    job = observed.rows_job
    goes = () if job is None or not job.ours or job.deleting or job.finished else (DeleteChild(job),)
    writers = (pod for pod in _alive(observed) if writes_rows(observed, pod))
    return (*goes, *end_attempt(observed), *map(DeletePod, writers))


def stop_pods(observed: Observed) -> tuple[Action, ...]:
    """Plans to delete every trainer pod of the run in which something runs or may yet run."""
    return tuple(DeletePod(pod) for pod in _alive(observed) if not writes_rows(observed, pod))


def writes_rows(observed: Observed, pod: PodView) -> bool:
    """Tells whether a pod only writes the rows that a checkpoint carries; its label alone spares none."""
    job = observed.rows_job
    return bool(pod.role) and job is not None and job.ours


def may_make_pods(observed: Observed) -> bool:
    """Tells whether the child Job could make another pod.

    One whose pod has run to its end makes no more (backoffLimit 0), and is kept with the pod's log.
    """
    child, mine = observed.child, observed.trainers
    if child is None or not child.ours or child.finished or child.deleting:
        return False
    return not mine or not all(pod.terminal or pod.exit_code is not None for pod in mine)


def stop_asked(observed: Observed, pod: PodView | None) -> bool:
    """Tells whether this operator has told the current attempt's pod to stop; of one that is gone, whether it meant to.

    Neither a record alone nor the wish says so: the deletion may have been refused, or come after the end.
    """
    record = observed.status.stop
    meant = (record is not None and record.attempt == observed.attempt) or wanted(observed) is not None
    return meant and (pod is None or pod.deletion_time is not None)


def _alive(observed: Observed) -> Iterable[PodView]:
    return (pod for pod in observed.pods if not pod.over and pod.deletion_time is None)

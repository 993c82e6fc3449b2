"""Claims about the one way to stop."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainyard_operator.builders import at, child, ended_pod, observed, pod, running_status, stop_record
from trainyard_operator.trainingjob.decision.actions import Action, ActionClass, DeleteChild, DeletePod, RecordStop
from trainyard_operator.trainingjob.stops.stopping import end_all, end_attempt, stop, stop_asked, stop_pods
from trainyard_operator.trainingjob.stops.wanted import StopCause

SUSPENDED = StopCause.SUSPENDED
UNBOUND: dict[str, Any] = {"bound_time": None, "node_name": None, "started": False, "phase": "Pending"}


def _stop(cause: StopCause = SUSPENDED, **around: Any) -> tuple[Action, ...]:
    return stop(observed(**around), cause)


def test_cause_child_and_pods_each_by_itself() -> None:
    """In this order, and all of them of the class that nothing keeps from being tried."""
    others = (pod(uid="a"), pod(uid="b", attempt=2), pod(uid="c", **UNBOUND))
    plan = _stop(status=running_status(), child=child(), pods=others)
    assert plan == (RecordStop("Suspended", 1), DeleteChild(child()), *(DeletePod(each) for each in others))
    assert {action.order for action in plan} == {ActionClass.SAFETY}


def test_what_is_done_already_is_not_planned_again() -> None:
    """A pod that is stopping, a Job that goes, a record that says this."""
    status = running_status(stop=stop_record())
    stopping = (pod(deletion_time=at(4)),)
    assert _stop(status=status, child=child(deleting=True), pods=stopping) == ()
    assert _stop(status=status, child=child(), pods=stopping) == (DeleteChild(child()),)
    assert _stop(status=status, child=child(deleting=True), pods=(pod(),)) == (DeletePod(pod()),)


def test_an_overtaken_stop_changes_its_cause_and_deletes_nothing_twice() -> None:
    """While its pod saves; once all is quiet there is no stop to give a cause to."""
    around = {"status": running_status(stop=stop_record()), "child": child(deleting=True)}
    saving = (pod(deletion_time=at(4)),)
    assert _stop(StopCause.CANCELLED, pods=saving, **around) == (RecordStop("Cancelled", 1),)
    assert _stop(StopCause.DELETED, pods=(ended_pod(10),), **around) == ()
    assert _stop(StopCause.DELETED, pods=(pod(**UNBOUND, deletion_time=at(0)),), **around) == ()


def test_the_record_of_an_earlier_attempt_says_nothing_of_this_one() -> None:
    """It is told to stop anew."""
    status = running_status(stop=stop_record(attempt=1), attempts=2)
    assert _stop(status=status, pods=(pod(attempt=2),))[0] == RecordStop("Suspended", 2)
    going = pod(deletion_time=at(-1))
    assert not stop_asked(observed(status=status), going)
    assert not stop_asked(observed(status=running_status()), going)
    assert not stop_asked(observed(), None)


def test_a_stop_was_asked_for_once_the_pod_was_told() -> None:
    """A record alone may stand beside a deletion that was refused; a record that was refused beside one that wasn't."""
    recorded, meant = observed(status=running_status(stop=stop_record())), observed(spec={"suspend": True})
    for seen in (recorded, meant):
        assert stop_asked(seen, pod(deletion_time=at(-1)))
        assert stop_asked(seen, None)
        assert not stop_asked(seen, pod())


def test_where_nothing_runs_nothing_is_said() -> None:
    """A job that was never begun has no stop."""
    assert _stop() == ()
    assert _stop(pods=(ended_pod(1),)) == ()
    assert _stop(child=child()) == (RecordStop("Suspended", 1), DeleteChild(child()))


def test_a_strangers_job_is_left_alone() -> None:
    """It only has the name."""
    assert end_attempt(observed(child=child(ours=False))) == ()
    assert end_attempt(observed(child=child(finished=True))) == (DeleteChild(child(finished=True)),)


@pytest.mark.parametrize(
    ("facts", "stops"),
    [
        ({}, True),
        (UNBOUND, True),
        ({"exit_code": 0}, True),
        ({"phase": "Failed"}, False),
        ({"all_ended": True}, False),
        ({"deletion_time": at(4)}, False),
        ({"force_deleted": True, "deletion_time": at(0)}, False),
    ],
)
def test_a_pod_is_stopped_while_anything_of_it_may_run(facts: dict[str, Any], stops: bool) -> None:
    """Also one whose trainer has ended and whose other containers go on, for they cost."""
    one = pod(**facts)
    assert stop_pods(observed(pods=(one,))) == ((DeletePod(one),) if stops else ())


WRITER = pod(uid="writer", name="sums-1-rows-x", role="rows")
ROWS_JOB = child(name="sums-1-rows", uid="rows-uid")


def test_what_writes_carried_rows_goes_on_unless_the_job_is_deleted() -> None:
    """Else no row that travels in a checkpoint would ever reach the ledger."""
    around: dict[str, Any] = {"status": running_status(), "pods": (pod(), WRITER), "rows_job": ROWS_JOB}
    for cause in (SUSPENDED, StopCause.CANCELLED):
        assert _stop(cause, **around) == (RecordStop(cause.value, 1), DeletePod(pod()))
        assert _stop(cause, **around | {"pods": (WRITER,)}) == ()
    assert _stop(StopCause.DELETED, **around)[1:] == (DeleteChild(ROWS_JOB), DeletePod(pod()), DeletePod(WRITER))
    for idle in (None, child(ours=False), child(finished=True), child(deleting=True)):
        assert end_all(observed(rows_job=idle)) == ()


def test_both_jobs_go_before_any_pod() -> None:
    """Else a controller makes another pod for one that was just deleted, while each deletion takes its time."""
    seen = observed(status=running_status(), child=child(), pods=(pod(), WRITER), rows_job=ROWS_JOB)
    jobs, pods = {DeleteChild(child()), DeleteChild(ROWS_JOB)}, {DeletePod(pod()), DeletePod(WRITER)}
    plan = end_all(seen)
    assert (set(plan[:2]), set(plan[2:])) == (jobs, pods)


def test_a_label_alone_spares_no_pod() -> None:
    """Where our Job that writes rows isn't there, a pod that says so is stopped like any other."""
    for job in (None, child(ours=False)):
        assert stop_pods(observed(pods=(WRITER,), rows_job=job)) == (DeletePod(WRITER),)

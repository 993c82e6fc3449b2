"""Claims about what is left of a job that has ended, and for how long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.trainyard_operator.builders import (
    NAME,
    NOW,
    POD_UID,
    TABLE,
    UID,
    at,
    checkpoint,
    child,
    claim,
    ended_pod,
    observed,
    open_pod,
    pod,
    reported,
    running_status,
    time_text,
)
from trainyard_api.conditions import ConditionType
from trainyard_operator.money.booking import keep_books
from trainyard_operator.trainingjob.decision.actions import (
    DeleteChild,
    DeletePod,
    DeleteTrainingJob,
    RemoveAccess,
    StoreCheckpoint,
)
from trainyard_operator.trainingjob.decision.findings import Condition, Finding
from trainyard_operator.trainingjob.decision.observed import Observed, Refusal
from trainyard_operator.trainingjob.life import retention

KEEP = timedelta(hours=1)
COST = {"spentUSD": "0.1000", "settledUSD": "0.037500", "settledPods": [{"uid": POD_UID}]}
ENDED = reported(ConditionType.SUCCEEDED, "True", "Completed")
LACKS = reported(ConditionType.DEGRADED, "True", "CheckpointRefused")
FREE = ended_pod(0, finalizers=())


def _status(*conditions: dict[str, Any], ended: int = -100, **fields: Any) -> dict[str, Any]:
    return running_status(ENDED, *conditions, completionTime=time_text(ended), **{"cost": COST} | fields)


def _closed(seen: Observed) -> bool:
    return retention.is_closed(seen, KEEP, NOW)


def _decide(**around: Any) -> Finding:
    return retention.decide(observed(**around), KEEP, NOW)


def test_a_job_is_closed_when_nothing_is_left_to_do() -> None:
    """Ended, booked, released, stored, and no child that could make pods."""
    around: dict[str, Any] = {"status": _status(), "child": child(finished=True), "pods": (FREE,)}
    for calm in ({}, {"child": None}, {"child": child(ours=False)}, {"child": child(deleting=True)}):
        assert _closed(observed(**around | calm)), calm
    assert _closed(observed(status=_status(cost=None), child=None))
    for change in (
        {"status": running_status(cost=COST)},
        {"status": _status(cost=COST | {"openPods": [open_pod()]})},
        {"status": _status(cost=COST | {"settledPods": [open_pod(end=-10)]})},
        {"pods": ()},
        {"pods": (ended_pod(0),)},
        {"pods": (pod(finalizers=()),)},
        {"child": child()},
        {"status": _status(LACKS)},
        {"status": _status(ended=-3600)},
    ):
        assert not _closed(observed(**around | change)), change


def test_what_was_made_for_a_job_is_kept_for_as_long_as_asked() -> None:
    """Then Job and pods go, with the ConfigMaps that the Job owns; when they are gone, access, once."""
    around: dict[str, Any] = {"child": child(finished=True), "pods": (FREE,)}
    assert _decide(status=_status(ended=-3599), **around) == Finding()
    going = _decide(status=_status(ended=-3600), **around)
    assert (going.actions, going.fields) == ((DeleteChild(child(finished=True)), DeletePod(FREE)), {})
    gone = _decide(status=_status(ended=-3600))
    assert (gone.actions, gone.fields) == ((RemoveAccess(),), {"clearedTime": time_text(0)})
    cleared = _status(ended=-3600, clearedTime=time_text(0), cost=COST | {"settledPods": None})
    assert _decide(status=cleared) == Finding()
    assert _closed(observed(status=cleared))


def test_only_what_is_there_and_ours_is_cleared() -> None:
    """A stranger's Job is left alone; a Job or a pod that goes already is waited for."""
    status = _status(ended=-3600)
    assert _decide(status=status, child=child(ours=False, finished=True)).actions == (RemoveAccess(),)
    going = ended_pod(0, finalizers=(), deletion_time=at(0))
    for around in (
        {"child": child(deleting=True)},
        {"pods": (going,)},
        {"child": child(deleting=True), "pods": (FREE,)},
    ):
        found = _decide(status=status, **around)
        assert (found.actions, found.fields) == ((DeletePod(FREE),) if FREE in around.get("pods", ()) else (), {})


def test_a_pod_that_isnt_booked_yet_is_cleared_later() -> None:
    """Its end must stay readable; it is released in the same pass that books it."""
    found = _decide(status=_status(ended=-3600), child=child(finished=True), pods=(ended_pod(0),))
    assert (found.actions, found.fields) == ((), {})


@pytest.mark.parametrize(
    ("around", "stopped"),
    [
        ({"child": child()}, [DeleteChild]),
        ({"child": child(), "pods": (pod(),)}, [DeleteChild, DeletePod]),
        ({"pods": (pod(),)}, [DeletePod]),
        ({"child": child(), "pods": (ended_pod(1, attempt=2),)}, [DeleteChild]),
        ({"child": child(), "pods": (pod(force_deleted=True, deletion_time=at(0)),)}, [DeleteChild]),
        ({"child": child(), "pods": (FREE,)}, []),
        ({"child": child(), "pods": (pod(phase="Failed"),)}, []),
        ({"child": child(finished=True)}, []),
        ({"child": child(deleting=True)}, []),
        ({"child": child(ours=False)}, []),
        ({}, []),
    ],
)
def test_nothing_of_a_job_that_has_ended_goes_on(around: dict[str, Any], stopped: list[type]) -> None:
    """A pod that turns up late, a Job that could still make one."""
    assert [type(action) for action in _decide(status=_status(), **around).actions] == stopped


def test_a_job_with_a_time_to_live_deletes_itself() -> None:
    """So many seconds after its end, whatever else is to be done; never where the manifest can't be read."""
    spec = {"ttlSecondsAfterFinished": 100}
    assert _decide(status=_status(ended=-99), spec=spec) == Finding()
    assert _closed(observed(status=_status(ended=-99), spec=spec, pods=(FREE,)))
    due = {"status": _status(ended=-100), "spec": spec}
    assert _decide(**due) == Finding(actions=(DeleteTrainingJob(),))
    assert not _closed(observed(pods=(FREE,), **due))
    assert _decide(**due, unreadable="spec.trainer: no").actions == ()
    late = _decide(status=_status(ended=-100, clearedTime=time_text(-1)), spec=spec)
    assert late.actions == (DeleteTrainingJob(),)
    assert _decide(status=_status(ended=-100), spec={"ttlSecondsAfterFinished": 0}).actions == (DeleteTrainingJob(),)


def test_without_a_time_of_its_end_nothing_is_due() -> None:
    """Of an operator that didn't write one."""
    status = running_status(ENDED, cost=COST)
    assert _decide(status=status, spec={"ttlSecondsAfterFinished": 0}) == Finding()
    assert _closed(observed(status=status, pods=(FREE,)))


def test_a_checkpoint_that_was_refused_is_tried_until_it_is_an_object() -> None:
    """Then Degraded says so; meanwhile the refusal stands, and the next try waits for its time."""
    one, status = claim(), _status(LACKS)
    trying = _decide(status=status, claims=(one,))
    assert trying.actions == (StoreCheckpoint(one),)
    assert not any(c.kind is ConditionType.DEGRADED for c in trying.conditions)
    resting = _decide(status=status, claims=(one,), refused_stores={one.uri: Refusal("quota", at(30))})
    assert resting.actions == ()
    unfilled = _decide(status=status, claims=(one,), checkpoints=(checkpoint(one, ready=False),))
    assert unfilled.actions == (StoreCheckpoint(one),)
    assert not any(c.kind is ConditionType.DEGRADED for c in unfilled.conditions)
    stored = _decide(status=status, claims=(one,), checkpoints=(checkpoint(one),))
    assert stored.actions == ()
    assert stored.fields == {"latestCheckpointRef": {"name": one.object_name(NAME, UID)}}
    assert Condition(ConditionType.DEGRADED, False, "AsExpected") in stored.conditions


def test_late_checkpoints_are_tried_whatever_else_is_left() -> None:
    """While a pod is stopped, and while what was made is cleared."""
    one = claim()
    stopping = _decide(status=_status(LACKS), claims=(one,), pods=(pod(),))
    assert stopping.actions == (StoreCheckpoint(one), DeletePod(pod()))
    clearing = _decide(status=_status(LACKS, ended=-3600), claims=(one,))
    assert clearing.actions == (StoreCheckpoint(one), RemoveAccess())


@pytest.mark.parametrize(
    "around",
    [
        {"claims": None},
        {"checkpoints": None},
        {"unreadable": "spec.checkpoints: no"},
        {"status": _status(reported(ConditionType.DEGRADED, "False", "AsExpected"))},
        {"status": _status()},
    ],
)
def test_checkpoints_are_tried_only_where_they_can_be_judged(around: dict[str, Any]) -> None:
    """By rows, objects and a manifest that can be read; and only where some were refused."""
    assert _decide(**{"status": _status(LACKS), "claims": (claim(),)} | around) == Finding()


@pytest.mark.parametrize(
    ("said", "written", "trouble", "after"),
    [
        ("AsExpected", False, True, (True, "DatabaseUnavailable")),
        ("DatabaseUnavailable", False, True, (True, "DatabaseUnavailable")),
        ("DatabaseUnavailable", True, True, (False, "AsExpected")),
        ("DatabaseUnavailable", False, False, (False, "AsExpected")),
        ("AsExpected", True, True, None),
        ("AsExpected", False, False, None),
        ("RowsUnwritten", False, True, None),
        ("CheckpointRefused", False, True, None),
    ],
)
def test_rows_that_wait_after_the_end_are_said_until_they_are_written(
    said: str, written: bool, trouble: bool, after: tuple[bool, str] | None
) -> None:
    """Whatever else is said of an end stays."""
    settled = [{"uid": POD_UID}] if written else [open_pod(end=-10)]
    cost = {"spentUSD": "1.0000", "settledUSD": "1.000000", "settledPods": settled}
    status = running_status(reported(ConditionType.DEGRADED, "True", said), cost=cost)
    seen = observed(status=status, refused_ledger=Refusal("read-only", at(30)) if trouble else None)
    books = keep_books(seen.account, TABLE, NOW, ledger_up=seen.ledger_up, refresh=False)
    found = retention.show_ledger(seen, books).conditions
    assert [(each.kind, each.status, each.reason) for each in found] == (
        [] if after is None else [(ConditionType.DEGRADED, *after)]
    )

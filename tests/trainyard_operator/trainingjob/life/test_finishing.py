"""Claims about how a job ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.contract.bases import evaluation
from tests.trainyard_operator.builders import (
    NAME,
    POD_UID,
    PREFIX,
    UID,
    at,
    checkpoint,
    child,
    claim,
    ended_pod,
    ended_record,
    open_pod,
    pod,
    running_status,
    situation,
    time_text,
)
from trainyard_api.conditions import ConditionType
from trainyard_operator.trainingjob.attempt.outcome import Outcome
from trainyard_operator.trainingjob.attempt.standing import Ended
from trainyard_operator.trainingjob.decision.actions import (
    BookClaim,
    CopyEvaluation,
    DeleteChild,
    DeletePod,
    EndRun,
    WriteRows,
)
from trainyard_operator.trainingjob.decision.findings import Finding
from trainyard_operator.trainingjob.decision.observed import Refusal
from trainyard_operator.trainingjob.life import finishing, lifecycle

FINAL = claim(10)
DONE = f'{{"reason": "Completed", "committedUri": "{FINAL.uri}"}}'
COST = {"spentUSD": "0.1000", "settledUSD": "0.037500", "settledPods": [{"uid": POD_UID}]}
OPEN = {"spentUSD": "0.1000", "settledUSD": "0.000000", "openPods": [open_pod()]}
CRASHED = Outcome("UnknownTask", "no such task", final=True)


def _done(cost: dict[str, Any] = COST, **changes: Any) -> dict[str, Any]:
    facts = {"success": True, "counts": None, "committedUri": FINAL.uri} | changes
    return running_status(attempt=ended_record("Completed", **facts), cost=cost)


def _succeed(**around: Any) -> Finding:
    defaults: dict[str, Any] = {"claims": (FINAL,), "checkpoints": (checkpoint(FINAL),), "pods": (ended_pod(0, DONE),)}
    found = situation(**defaults | around)
    assert isinstance(found.view, Ended)
    return finishing.succeed(found, found.view)


def _said(found: Finding) -> tuple[bool | None, str, str]:
    return next((c.status, c.reason, c.message) for c in found.conditions if c.kind is ConditionType.SUCCEEDED)


def test_a_success_is_written_when_nothing_is_left_to_record() -> None:
    """Ledger, conditions and time in one pass, in the words on record; its child and pod are kept."""
    found = _succeed(status=_done(), child=child(finished=True))
    assert found.actions == (EndRun("Completed"),)
    assert found.fields == {"completionTime": time_text(0)}
    assert _said(found) == (True, "Completed", "why")
    early = _done()
    early["attempt"]["ending"]["reason"] = "EarlyStopped"
    assert _said(_succeed(status=early))[:2] == (True, "EarlyStopped")
    novel = _done()
    novel["attempt"]["ending"]["reason"] = "GoalReached"
    assert _said(_succeed(status=novel))[:2] == (True, "GoalReached")


WAITS: dict[str, dict[str, Any]] = {
    "the verdict": {"status": running_status(cost=COST)},
    "the sum": {"status": _done(OPEN)},
    "the ledger": {"status": _done(), "claims": None},
    "the object": {"status": _done(), "checkpoints": ()},
    "another object": {"status": _done(), "claims": (FINAL, claim(5))},
}


@pytest.mark.parametrize("waits", WAITS)
def test_a_success_waits_for_all_that_it_says(waits: str) -> None:
    """Until then it goes on, and says that its cost and what it left are recorded."""
    found = _succeed(**WAITS[waits])
    assert _said(found)[:2] == (None, "Running")
    assert _said(found)[2].endswith(" Its cost and what it left are recorded.")
    assert (found.actions, found.fields) == ((), {})


def test_an_object_that_is_refused_keeps_no_job_from_ending() -> None:
    """It goes on being tried afterwards."""
    refused = {FINAL.uri: Refusal("quota", at(30))}
    assert _said(_succeed(status=_done(), checkpoints=(), refused_stores=refused))[:2] == (True, "Completed")


def test_containers_that_dont_end_by_themselves_are_stopped() -> None:
    """A sidecar would go on costing; what the trainer could not claim is claimed meanwhile."""
    living = ended_pod(0, DONE, phase="Running", all_ended=False)
    committed = {"uri": FINAL.uri, "digest": FINAL.digest, "step": 10}
    found = _succeed(status=_done(committed=committed), pods=(living,), claims=(), checkpoints=())
    assert [type(action) for action in found.actions] == [DeletePod, BookClaim]
    assert _said(found)[:2] == (None, "Running")


def test_a_success_whose_checkpoint_the_ledger_lacks_is_a_crash() -> None:
    """Its pod has ended, so no row will come; user code may write any message and exit 0."""
    for claims in ((), (claim(5),), (claim(10, digest="md5:0"),)):
        objects = tuple(checkpoint(each) for each in claims if each.step == 5)
        found = _succeed(status=_done(), claims=claims, checkpoints=objects)
        assert _said(found)[:2] == (None, "Restarting")
        assert found.actions == ()
        ending = found.fields["attempt"]["ending"]
        assert (ending["reason"], ending["success"], ending["final"], ending["counts"]) == (
            *("ResultMissing", False, False, True),
        )
        assert ending["message"].startswith("committedUri: ")
        assert ending["message"].endswith(f'got "{PREFIX}step-10-9d2f0c3e/"')


def test_an_evaluation_needs_no_checkpoint() -> None:
    """It names none, and what it measured goes onto the one that it is about."""
    reference = {"checkpoint": "theirs", "uid": "uid-9", "digest": FINAL.digest}
    status = _done(committedUri=None) | {"modelRef": reference, "progress": {"evaluation": evaluation()}}
    found = _succeed(status=status, claims=(), checkpoints=())
    assert found.actions == (EndRun("Completed"), CopyEvaluation("theirs", evaluation()))
    assert _said(found)[:2] == (True, "Completed")


def test_what_was_measured_is_copied_while_a_success_waits_too() -> None:
    """It is no part of what is waited for."""
    status = _done(OPEN) | {"progress": {"evaluation": evaluation()}}
    assert _succeed(status=status).actions == (CopyEvaluation(FINAL.object_name(NAME, UID), evaluation()),)


def _fail(**around: Any) -> Finding:
    return finishing.fail(situation(**around), CRASHED)


def _final(cost: dict[str, Any] = COST) -> dict[str, Any]:
    return running_status(attempt=ended_record("UnknownTask", final=True, counts=None), cost=cost)


def test_a_failure_is_written_when_nothing_runs_and_all_is_recorded() -> None:
    """With its cause; child and pod are kept for the log."""
    found = _fail(status=_final(), child=child(finished=True), pods=(ended_pod(20),))
    assert found.actions == (EndRun("UnknownTask"),)
    assert found.fields == {"completionTime": time_text(0)}
    assert _said(found) == (False, "Failed", "no such task")
    stalled = next(c for c in found.conditions if c.kind is ConditionType.STALLED)
    assert (stalled.status, stalled.reason, stalled.message) == (True, "UnknownTask", "no such task")


FAILURE_WAITS: dict[str, dict[str, Any]] = {
    "the verdict": {"status": running_status(cost=COST), "pods": (ended_pod(20),)},
    "the sum": {"status": _final(OPEN)},
    "the ledger": {"status": _final(), "claims": None},
    "an object": {"status": _final(), "claims": (FINAL,)},
}


@pytest.mark.parametrize("waits", FAILURE_WAITS)
def test_a_failure_waits_for_all_that_it_says(waits: str) -> None:
    """Until then it is Stopping."""
    found = _fail(**FAILURE_WAITS[waits])
    assert (_said(found), found.actions, found.fields) == ((None, "Stopping", "no such task"), (), {})


ENDS: list[tuple[dict[str, Any], list[type]]] = [
    ({"child": child(), "pods": (pod(),)}, [DeleteChild, DeletePod]),
    ({"child": child(), "pods": (ended_pod(20, phase="Running", all_ended=False),)}, [DeleteChild, DeletePod]),
    ({"child": child()}, [DeleteChild]),
    ({"child": child(), "pods": (pod(force_deleted=True, deletion_time=at(0)),)}, [DeleteChild]),
    ({"child": child(), "pods": (ended_pod(1, attempt=2),)}, [DeleteChild]),
    ({"child": child(), "pods": (ended_pod(20),)}, []),
    ({"child": child(), "pods": (pod(phase="Failed"),)}, []),
    ({"child": child(finished=True)}, []),
    ({"child": child(deleting=True)}, []),
    ({"child": child(ours=False)}, []),
    ({}, []),
]


@pytest.mark.parametrize(("around", "stopped"), ENDS)
def test_a_child_is_deleted_only_where_it_could_make_another_pod(around: dict[str, Any], stopped: list[type]) -> None:
    """One whose pod has run to its end makes none, and is kept with the pod's log."""
    found = _fail(status=_final(), **around)
    assert [type(action) for action in found.actions if not isinstance(action, EndRun)] == stopped
    assert (_said(found)[1] == "Failed") is not bool(stopped)


def test_nothing_is_stopped_before_the_verdict_is_on_record() -> None:
    """The evidence goes with the pod."""
    waiting = pod(started=False, waiting_reason="CreateContainerConfigError", bound_time=at(-700))
    never = {"number": 1, "jobRef": {"name": "sums-1", "uid": "child-uid"}}
    found = _fail(status=running_status(attempt=never), child=child(), pods=(waiting,))
    assert found.actions == ()


def test_a_cancelled_job_ends_when_what_it_left_is_recorded() -> None:
    """A row for what was only named, then the object, then Cancelled; its checkpoints stay."""
    committed = {"uri": FINAL.uri, "digest": FINAL.digest, "step": 10}
    status = running_status(attempt=ended_record("Stopped", committed=committed), cost=COST)
    claimed = finishing.cancel(situation(status=status))
    assert [type(action) for action in claimed.actions] == [BookClaim]
    made = finishing.cancel(situation(status=status, claims=(FINAL,)))
    assert made.actions == ()
    for found in (claimed, made):
        assert _said(found) == (None, "Stopping", "Cancelled: what it left is recorded.")
    done = finishing.cancel(situation(status=status, claims=(FINAL,), checkpoints=(checkpoint(FINAL),)))
    assert (done.actions, done.fields) == ((EndRun("Cancelled"),), {"completionTime": time_text(0)})
    assert _said(done) == (False, "Cancelled", "Cancelled; its checkpoints stay.")
    assert _said(finishing.cancel(situation()))[1:] == ("Cancelled", "Cancelled before a checkpoint.")


ROWS = {"uri": FINAL.uri, "digest": FINAL.digest, "step": 10, "unwrittenRows": 3}
WRITER = pod(uid="writer", role="rows")
ROWS_JOB = child(name="sums-1-rows", uid="rows-uid")


@pytest.mark.parametrize(
    ("reason", "facts", "moving"),
    [
        ("Completed", {"success": True, "committedUri": FINAL.uri}, "Running"),
        ("UnknownTask", {"final": True}, "Stopping"),
        ("Stopped", {}, "Stopping"),
    ],
)
def test_an_end_waits_for_the_rows_that_its_checkpoint_carries(reason: str, facts: dict[str, Any], moving: str) -> None:
    """A short Job writes them; what writes isn't stopped meanwhile, and what it costs is settled too."""
    record = ended_record(reason, counts=None, committed=ROWS, **facts)
    spec = {"cancel": True} if reason == "Stopped" else {}
    around: dict[str, Any] = {
        "status": running_status(attempt=record, cost=COST, cancelTime=time_text(-5)),
        "spec": spec,
        "claims": (FINAL,),
        "checkpoints": (checkpoint(FINAL),),
    }
    first = lifecycle.decide(situation(**around))
    assert (first.actions, _said(first)[1]) == ((WriteRows(1, FINAL.uri),), moving)
    assert _said(first)[2].endswith(" Its last rows are being written.")
    writing = lifecycle.decide(situation(rows_job=ROWS_JOB, pods=(WRITER,), node_labels={"writer": {}}, **around))
    assert not any(isinstance(action, DeleteChild | DeletePod) for action in writing.actions)
    assert _said(writing)[0] is None
    done = lifecycle.decide(situation(rows_job=replace(ROWS_JOB, finished=True), **around))
    assert any(isinstance(action, EndRun) for action in done.actions)
    failed = lifecycle.decide(situation(rows_job=replace(ROWS_JOB, finished=True, failed=True), **around))
    assert any(isinstance(action, EndRun) for action in failed.actions)
    degraded = [c.reason for c in failed.conditions if c.kind is ConditionType.DEGRADED]
    assert degraded == ["RowsUnwritten"]


def test_a_lost_result_says_what_was_named() -> None:
    """In the summary as on record."""
    found = _succeed(status=_done(), claims=(), checkpoints=())
    assert _said(found)[2] == found.fields["attempt"]["ending"]["message"]

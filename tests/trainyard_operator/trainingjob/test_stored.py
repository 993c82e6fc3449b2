"""Claims about what a run's claims have become."""

from __future__ import annotations

from typing import Any

from tests.trainyard_operator.builders import NAME, UID, checkpoint, claim, observed, running_status
from trainyard_operator.trainingjob.actions import StoreCheckpoint
from trainyard_operator.trainingjob.findings import Finding
from trainyard_operator.trainingjob.stored import show


def _shown(**around: Any) -> Finding:
    seen = observed(status=running_status(), **around)
    return show(seen, seen.review_claims())


def test_the_latest_stored_checkpoint_is_named_and_the_rest_is_stored() -> None:
    """A claim without its object is an action, and doesn't count yet."""
    found = _shown(claims=(claim(5), claim(10), claim(15)), checkpoints=(checkpoint(claim(5)), checkpoint(claim(10))))
    assert found.fields == {"latestCheckpointRef": {"name": claim(10).object_name(NAME, UID)}}
    assert found.actions == (StoreCheckpoint(claim(15)),)
    assert [(each.status, each.message) for each in found.conditions] == [(True, "2 stored, the newest of step 10.")]


def test_without_the_ledger_nothing_is_said_of_checkpoints() -> None:
    """None yet isn't the same as not known."""
    assert _shown(claims=None) == Finding()
    assert [each.reason for each in _shown(claims=()).conditions] == ["NoneYet"]


def test_one_refusal_is_a_problem() -> None:
    """Of the ledger's rows or of the API server; that of a child Job is the start's."""
    assert [p.reason for p in _shown(claims=(claim(7, attempt=9),)).problems] == ["CheckpointRefused"]
    refusals = {f"{NAME}-1": "its pod can't be made", claim().uri: "quota"}
    assert [p.message for p in _shown(claims=(claim(),), refusals=refusals).problems] == ["quota"]
    assert _shown(refusals={f"{NAME}-1": "its pod can't be made"}).problems == ()

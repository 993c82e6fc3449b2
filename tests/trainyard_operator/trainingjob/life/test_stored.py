"""Claims about what a run's claims have become."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainyard_operator.builders import (
    NAME,
    NOW,
    PREFIX,
    UID,
    at,
    checkpoint,
    claim,
    ended_record,
    observed,
    running_status,
)
from trainyard_api.termination import CommittedCheckpoint
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.trainingjob.decision.actions import StoreCheckpoint
from trainyard_operator.trainingjob.decision.findings import Finding
from trainyard_operator.trainingjob.decision.observed import Refusal
from trainyard_operator.trainingjob.life.stored import claim_of, lost, show, unclaimed


def _shown(**around: Any) -> Finding:
    seen = observed(status=running_status(), **around)
    return show(seen, seen.review_claims(), NOW)


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
    """Of the ledger's rows or of the API server; one of a checkpoint that is stored by now is none."""
    assert [p.reason for p in _shown(claims=(claim(7, attempt=9),)).problems] == ["CheckpointRefused"]
    refused = {claim().uri: Refusal("quota", at(30))}
    assert [p.message for p in _shown(claims=(claim(),), refused_stores=refused).problems] == ["quota"]
    both = _shown(claims=(claim(), claim(7, attempt=9)), refused_stores=refused).problems
    assert [p.message.partition(":")[0] for p in both] == ["checkpoints.attempt"]
    stored = _shown(claims=(claim(),), checkpoints=(checkpoint(claim()),), refused_stores=refused)
    assert stored.problems == ()


@pytest.mark.parametrize(("again", "tried"), [(at(1), False), (at(0), True), (at(-1), True)])
def test_what_was_refused_rests(again: Any, tried: bool) -> None:
    """A webhook that is down isn't asked at every pass."""
    one, other = claim(5), claim(10)
    found = _shown(claims=(one, other), refused_stores={one.uri: Refusal("quota", again)})
    assert found.actions == ((StoreCheckpoint(one),) if tried else ()) + (StoreCheckpoint(other),)


def test_the_claim_of_a_folder_is_found_among_those_that_are_accepted() -> None:
    """Whether it is an object yet or not; a refused one is none."""
    bad = claim(7, attempt=9)
    reviewed = observed(claims=(claim(5), claim(10), bad), checkpoints=(checkpoint(claim(5)),)).review_claims()
    assert claim_of(reviewed, claim(10).uri) == claim(10)
    assert claim_of(reviewed, claim(5).uri) == claim(5)
    assert claim_of(reviewed, bad.uri) is None
    assert claim_of(reviewed, None) is None


COMMITTED = CommittedCheckpoint(
    uri=f"{PREFIX}step-10-u2-9d2f0c3e/",
    digest=claim().digest,
    step=10,
    updates=2,
    size_bytes=9,
    metrics={"loss": "1.5"},
)


def _named(committed: CommittedCheckpoint) -> dict[str, Any]:
    """The status of a job whose trainer named this at its end."""
    return running_status(attempt=ended_record("Stopped", committed=committed.to_wire()))


def test_a_checkpoint_that_was_only_named_becomes_a_claim() -> None:
    """Of the attempt that named it, at the time of its end."""
    found = unclaimed(observed(status=_named(COMMITTED)), NOW)
    assert found == Claim(COMMITTED.uri, UID, 1, 10, COMMITTED.digest, 9, {"loss": "1.5"}, at(-10), 2)


def test_nothing_is_claimed_twice_or_without_an_end_or_the_ledger() -> None:
    """The trainer may have written the row; whether it has is known only while the ledger can be read."""
    status = _named(COMMITTED)
    there = claim(10, uri=COMMITTED.uri, updates=2)
    assert unclaimed(observed(status=status, claims=(there,)), NOW) is None
    assert unclaimed(observed(status=status, claims=None), NOW) is None
    assert unclaimed(observed(status=running_status()), NOW) is None
    assert unclaimed(observed(), NOW) is None
    assert unclaimed(observed(status=running_status(attempt=ended_record("Stopped"))), NOW) is None


@pytest.mark.parametrize("change", [{"step": 2**53}, {"updates": 2**53}, {"step": 9}, {"uri": "s3://elsewhere/x/"}])
def test_what_would_be_refused_as_a_row_is_never_written(change: dict[str, Any]) -> None:
    """User code may name anything, even a number that no column holds: the same pass would fail for ever."""
    assert unclaimed(observed(status=_named(COMMITTED.model_copy(update=change))), NOW) is None


def test_a_claim_that_was_refused_rests_and_is_said() -> None:
    """While the ledger lacks it: what has come by itself is no problem any more."""
    refused = {COMMITTED.uri: Refusal("taken", at(1))}
    seen = observed(status=_named(COMMITTED), refused_claims=refused)
    assert unclaimed(seen, NOW) is None
    assert unclaimed(seen, at(1)) is not None
    shown = show(seen, seen.review_claims(), NOW)
    assert [(each.reason, each.message) for each in shown.problems] == [("ClaimRefused", "taken")]
    there = observed(
        status=_named(COMMITTED), refused_claims=refused, claims=(claim(10, uri=COMMITTED.uri, updates=2),)
    )
    assert lost(there) == ()
    assert lost(observed(status=_named(COMMITTED))) == ()


def test_nothing_is_claimed_of_a_ledger_that_takes_no_row() -> None:
    """What it holds is known; what it lacks is claimed later."""
    assert unclaimed(observed(status=_named(COMMITTED), refused_ledger=Refusal("read-only", at(1))), NOW) is None

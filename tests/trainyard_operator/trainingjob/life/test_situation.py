"""Claims about what makes a situation quiet."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainyard_operator.builders import (
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
)
from trainyard_operator.trainingjob.decision.actions import BookClaim
from trainyard_operator.trainingjob.decision.observed import Refusal

COST = {"spentUSD": "0.1000", "settledUSD": "0.037500"}


def test_an_end_is_on_record_once_the_status_holds_it() -> None:
    """What goes on has no end to record."""
    assert situation(child=child(), pods=(pod(),)).on_record
    assert not situation(child=child(), pods=(ended_pod(1),)).on_record
    assert situation(status=running_status(attempt=ended_record()), pods=(ended_pod(1),)).on_record


@pytest.mark.parametrize(
    ("cost", "pods", "settled"),
    [
        ({}, (), True),
        ({"settledPods": [open_pod(end=-10)]}, (ended_pod(1),), True),
        ({"openPods": [open_pod()]}, (pod(),), False),
        ({"openPods": [open_pod()]}, (ended_pod(1),), False),
        ({}, (pod(bound_time=None, node_name=None),), False),
        ({}, (pod(bound_time=None, node_name=None, deletion_time=at(0)),), True),
    ],
)
def test_all_is_settled_once_the_status_says_so(cost: dict[str, Any], pods: tuple, settled: bool) -> None:
    """What this pass adds to the sum is settled for the next one; a pod without a node may still get one."""
    assert situation(status=running_status(cost=COST | cost), pods=pods).settled is settled


def test_all_is_stored_where_nothing_is_left_to_try() -> None:
    """An object, or a refusal; not while the ledger is away."""
    one, refused = claim(), Refusal("quota", at(30))
    assert situation().stored
    assert not situation(claims=None).stored
    assert not situation(claims=(one,)).stored
    assert situation(claims=(one,), checkpoints=(checkpoint(one),)).stored
    assert situation(claims=(one,), refused_stores={one.uri: refused}).stored


def test_a_checkpoint_without_a_row_is_claimed_at_the_end_alone() -> None:
    """Named by an end on record; one that goes on, or named none, has nothing to claim."""
    one = claim()
    committed = {"uri": one.uri, "digest": one.digest, "step": one.step}
    named = running_status(attempt=ended_record("Stopped", committed=committed))
    (booked,) = situation(status=named).unclaimed
    assert isinstance(booked, BookClaim)
    assert (booked.claim.uri, booked.claim.step) == (one.uri, one.step)
    assert situation(status=named, claims=(one,)).unclaimed == ()
    assert situation(status=running_status(attempt=ended_record("Stopped"))).unclaimed == ()
    assert situation(status=running_status(), pods=(pod(),)).unclaimed == ()

"""Claims about what an observation says of itself."""

from __future__ import annotations

from tests.trainyard_operator.builders import (
    checkpoint,
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
from trainyard_api.training_job_status import Cost


def test_before_the_first_start_the_attempt_is_the_first() -> None:
    """Afterwards the one in the status."""
    assert observed().attempt == 1
    assert observed(status=running_status(attempts=3)).attempt == 3


def test_a_condition_is_as_it_was_written() -> None:
    """Empty where it never was."""
    entry = reported(ConditionType.STALLED, "True", "TrainerCrashed", "why")
    assert observed(status=running_status(entry)).reported(ConditionType.STALLED) == entry
    assert observed().reported(ConditionType.STALLED) == {}


def test_the_account_holds_the_cost_in_both_forms() -> None:
    """As written, with fields that this version doesn't know, and parsed; the grace is the pods', else the spec's."""
    cost = {"spentUSD": "0.01", "settledUSD": "0", "openPods": [open_pod()], "novel": 1}
    progress = {"estimatedRemainingSeconds": 60, "lastReportTime": time_text(-5)}
    account = observed(status=running_status(cost=cost, progress=progress), pods=(pod(),)).account
    assert account.raw == cost
    assert account.cost.spent_usd == "0.01"
    assert (account.grace_seconds, account.remaining_seconds) == (5, 60)
    pods = (pod(grace_seconds=30), pod(uid="b", grace_seconds=7), ended_pod(0, uid="c", grace_seconds=90))
    assert observed(pods=pods).account.grace_seconds == 30
    assert observed(pods=pods[2:]).account.grace_seconds == 5
    assert (observed().account.cost, observed().account.remaining_seconds) == (Cost(), None)


def test_without_the_ledger_no_claim_is_reviewed() -> None:
    """What is stored already can't be told from what never was."""
    assert observed(claims=None, checkpoints=(checkpoint(claim()),)).review_claims().stored == ()
    assert observed(claims=(claim(),), checkpoints=(checkpoint(claim()),)).review_claims().stored == (claim(),)

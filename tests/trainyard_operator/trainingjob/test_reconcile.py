"""Claims about the one decision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainyard_operator.builders import (
    POD_UID,
    PREFIX,
    at,
    checkpoint,
    child,
    claim,
    conditions,
    decide,
    ended_pod,
    ended_record,
    next_status,
    observed,
    open_pod,
    pod,
    reported,
    running_status,
    summary_of,
)
from trainyard_api.conditions import ConditionType
from trainyard_api.training_job_status import TrainingJobStatus
from trainyard_operator.trainingjob.actions import AddFinalizer, StartAttempt
from trainyard_operator.trainingjob.observed import Observed, Refusal

DONE = f'{{"reason": "Completed", "committedUri": "{PREFIX}step-10-9d2f0c3e/"}}'
BOOKED = {"spentUSD": "0.1000", "settledUSD": "0.037500", "settledPods": [{"uid": POD_UID}]}
UNWRITTEN = BOOKED | {"settledPods": [open_pod(end=-10)]}


def test_a_new_job_is_held_and_started() -> None:
    """Finalizer first, then the attempt; the status names attempt, Job and start."""
    seen = observed()
    free = seen.job.metadata.model_copy(update={"finalizers": []})
    plan = decide(replace(seen, job=seen.job.model_copy(update={"metadata": free})))
    assert plan.actions == (AddFinalizer(), StartAttempt(1))
    assert summary_of(plan) == ("Unknown", "Starting")
    assert (plan.operator_half["attempts"], plan.operator_half["jobRef"]) == (1, {"name": "sums-1"})
    assert plan.budget_half["budget"] == {"limitUSD": "5.00", "source": "Spec"}


def test_a_running_pod_is_named_and_nothing_is_done() -> None:
    """PodRef gates its reports."""
    plan = decide(observed(status={"attempts": 1}, child=child(), pods=(pod(),), node_labels={POD_UID: {}}))
    assert plan.actions == ()
    assert plan.operator_half["podRef"] == {"name": "sums-1-abcde", "uid": POD_UID}
    assert summary_of(plan) == ("Unknown", "Running")
    assert conditions(plan)[ConditionType.RECONCILING]["status"] == "True"


@pytest.mark.parametrize("pods", [(), (pod(bound_time=None, node_name=None, started=False),)])
def test_a_start_that_was_cut_off_is_still_on_record(pods: tuple) -> None:
    """The pass that made the child died, or met a conflict, before its status was written: the next one says it."""
    status = {"conditions": [reported(ConditionType.SUCCEEDED, "Unknown", "Queued")]}
    plan = decide(observed(status=status, child=child(), pods=pods))
    assert (plan.operator_half["attempts"], plan.operator_half["jobRef"]) == (1, {"name": "sums-1"})
    first = plan.operator_half["startTime"]
    later = decide(observed(status=next_status(plan), child=child(), pods=pods), now=at(50))
    assert later.operator_half["startTime"] == first


def test_succeeded_never_returns_to_unknown() -> None:
    """Whatever happens to pods and child afterwards, and no second attempt begins."""
    ended = reported(ConditionType.SUCCEEDED, "False", "Failed", "why")
    for around in ({}, {"child": child()}, {"child": child(), "pods": (pod(),)}, {"claims": None}):
        plan = decide(observed(status=running_status(ended, cost=BOOKED), **around))
        assert summary_of(plan) == ("False", "Failed")
        assert not any(isinstance(action, StartAttempt) for action in plan.actions)


def test_a_closed_job_needs_nothing() -> None:
    """The plan is what is there already: no action, no change."""
    pods = (ended_pod(20, finalizers=()),)
    status = running_status(cost=UNWRITTEN)
    for _ in range(2):
        status = next_status(decide(observed(status=status, child=child(finished=True), pods=pods)))
    assert status["completionTime"]
    again = decide(observed(status=status, child=child(finished=True), pods=pods), refresh_cost=True)
    assert again.actions == again.events == ()
    assert next_status(again) == status | {"conditions": next_status(again)["conditions"]}
    assert {c["type"]: c for c in next_status(again)["conditions"]} == {c["type"]: c for c in status["conditions"]}


def test_a_refused_object_degrades_the_job_and_isnt_complete() -> None:
    """The API server's words are repeated until it is mended."""
    one = claim(3)
    refused = {one.uri: Refusal("checkpoints.uri: the Checkpoint object was refused: quota", at(30))}
    seen = observed(status=running_status(), child=child(), pods=(pod(),), claims=(one,), refused_stores=refused)
    plan = decide(seen)
    assert conditions(plan)[ConditionType.DEGRADED]["reason"] == "CheckpointRefused"
    assert "quota" in conditions(plan)[ConditionType.DEGRADED]["message"]


def _worlds() -> st.SearchStrategy[Observed]:
    pods = st.lists(
        st.sampled_from(
            [
                pod(),
                pod(bound_time=None, node_name=None, started=False),
                pod(started=False, waiting_reason="ErrImagePull", bound_time=at(-700)),
                pod(deletion_time=at(3)),
                pod(force_deleted=True, deletion_time=at(0)),
                ended_pod(0, DONE),
                ended_pod(1),
                ended_pod(20, "{}"),
            ]
        ),
        max_size=1,
    ).map(tuple)
    children = st.sampled_from([None, child(), child(finished=True), child(deleting=True), child(ours=False)])
    claims = st.sampled_from([None, (), (claim(10),)])
    objects = st.sampled_from([(), (checkpoint(claim(10)),), (checkpoint(claim(10), ready=False),)])
    statuses = st.sampled_from(
        [
            None,
            running_status(),
            running_status(cost=UNWRITTEN),
            running_status(cost=BOOKED),
            running_status(attempt=ended_record()),
            running_status(attempt=ended_record("UnknownTask", final=True), cost=BOOKED),
        ]
    )
    return st.builds(
        observed,
        status=statuses,
        child=children,
        pods=pods,
        claims=claims,
        checkpoints=objects,
        deleted=st.sampled_from([None, None, -1, -500]),
        namespace_terminating=st.just(False),
    )


@given(_worlds())
def test_every_plan_is_valid_and_settles_down(seen: Observed) -> None:
    """Any state gives a status that fits the schema; planned again upon itself, it changes nothing more by itself."""
    plan = decide(seen)
    status = next_status(plan)
    parsed = TrainingJobStatus.model_validate(status, extra="forbid")
    assert parsed.conditions is not None
    before, after = seen.status.cost, parsed.cost
    if before is not None and after is not None:
        assert float(after.spent_usd or 0) >= float(before.spent_usd or 0)
        assert float(after.settled_usd or 0) >= float(before.settled_usd or 0)
    current, seen_again = status, seen
    for _ in range(4):
        seen_again = observed(
            status=current,
            deleted=None if seen.metadata.deletion_timestamp is None else -1,
            child=seen.child,
            pods=seen.pods,
            claims=seen.claims,
            checkpoints=seen.checkpoints,
        )
        following = next_status(decide(seen_again))
        settled = _sorted(following) == _sorted(current)
        current = following
        if settled:
            break
    assert settled, "the status keeps changing while the world doesn't"


def _sorted(status: dict[str, Any]) -> dict[str, Any]:
    return status | {"conditions": sorted(status["conditions"], key=lambda entry: entry["type"])}


@given(_worlds())
def test_a_start_is_planned_only_where_nothing_has_begun(seen: Observed) -> None:
    """Never beside a pod, a child, a verdict, an end or a deletion."""
    starts = any(isinstance(action, StartAttempt) for action in decide(seen).actions)
    begun = seen.pods or seen.child is not None or seen.status.pod_ref is not None
    assert not (starts and (begun or seen.metadata.deletion_timestamp is not None or seen.claims is None))

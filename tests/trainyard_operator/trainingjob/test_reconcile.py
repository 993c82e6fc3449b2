"""Claims about the one decision."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.trainyard_operator.bench import PRICES
from tests.trainyard_operator.builders import (
    IMAGE,
    NOW,
    POD_UID,
    PREFIX,
    at,
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
    time_text,
)
from trainyard_api.conditions import ConditionType
from trainyard_operator.cluster.pod import Resources
from trainyard_operator.money.prices import Prices
from trainyard_operator.trainingjob.decision.actions import (
    AddFinalizer,
    BookSpend,
    DeletePod,
    RecordCancel,
    ReleasePod,
    StartAttempt,
)
from trainyard_operator.trainingjob.decision.observed import Refusal
from trainyard_operator.trainingjob.reconcile import Context
from trainyard_operator.trainingjob.reconcile import decide as reconcile

DONE = f'{{"reason": "Completed", "committedUri": "{PREFIX}step-10-9d2f0c3e/"}}'
BOOKED = {"spentUSD": "0.1000", "settledUSD": "0.037500", "settledPods": [{"uid": POD_UID}]}
LACKS = reported(ConditionType.DEGRADED, "True", "CheckpointRefused")
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


def test_a_pod_without_a_price_is_said_once_it_is_bound() -> None:
    """What the sum lacks; the field that names the product."""
    strange = pod(resources=Resources(Decimal(1), Decimal(1), 2, "unheard-of"))
    spec = {"trainer": {"gpus": {"product": "unheard-of", "count": 2}}}
    plan = decide(
        observed(spec=spec, status={"attempts": 1}, child=child(), pods=(strange,), node_labels={POD_UID: {}})
    )
    found = conditions(plan)[ConditionType.COST_KNOWN]
    assert (found["status"], found["reason"]) == ("False", "NoPrice")
    assert found["message"].startswith("spec.trainer.gpus.product: ")


def test_rows_are_written_and_pods_let_go_by_what_is_on_record() -> None:
    """A row as soon as the ledger is there; a pod once its sum is in the status, or it never cost anything."""
    ended, unbound = ended_pod(1), pod(uid="u", bound_time=None, node_name=None, deletion_time=at(0))
    held = running_status(attempt=ended_record(), cost=UNWRITTEN)
    up = decide(observed(status=held, pods=(ended, unbound)))
    assert [type(action) for action in up.actions] == [BookSpend, ReleasePod, ReleasePod]
    away = decide(observed(status=held, pods=(ended, unbound), claims=None))
    assert [type(action) for action in away.actions] == [ReleasePod, ReleasePod]
    free = decide(observed(status=held, pods=(ended_pod(1, finalizers=()),), claims=None))
    assert free.actions == ()
    opened = running_status(attempt=ended_record(), cost={"openPods": [open_pod()], "spentUSD": "0.1"})
    assert decide(observed(status=opened, pods=(pod(),), child=child(deleting=True))).actions == (DeletePod(pod()),)
    waiting = pod(bound_time=None, node_name=None, started=False, phase="Pending")
    assert ReleasePod(waiting) not in decide(observed(status={"attempts": 1}, child=child(), pods=(waiting,))).actions


def test_a_budget_shows_the_limit_and_keeps_what_it_doesnt_know() -> None:
    """Of a manifest that can't be read it stays as it was; there is never an empty one."""
    former = {"limitUSD": "9.00", "source": "Spec", "novel": 1}
    assert decide(observed(status={"budget": former})).budget_half["budget"] == {
        "limitUSD": "5.00",
        "source": "Spec",
        "novel": 1,
    }
    assert decide(observed(status={"budget": former}, unreadable="x")).budget_half["budget"] == former
    assert "budget" not in decide(observed(unreadable="x")).budget_half


def test_the_image_that_was_tried_is_the_installations_where_the_spec_names_none() -> None:
    """In the message of a pod that can't get it."""
    waiting = pod(started=False, waiting_reason="ErrImagePull")
    plan = decide(observed(status={"attempts": 1}, child=child(), pods=(waiting,)))
    assert conditions(plan)[ConditionType.DEGRADED]["message"].endswith(f'got "{IMAGE}"')
    own = decide(
        observed(spec={"trainer": {"image": "mine:1"}}, status={"attempts": 1}, child=child(), pods=(waiting,))
    )
    assert conditions(own)[ConditionType.DEGRADED]["message"].endswith('got "mine:1"')


@pytest.mark.parametrize(("read_nodes", "known"), [(True, "True"), (False, "False")])
def test_a_price_by_instance_type_counts_only_where_nodes_may_be_read(read_nodes: bool, known: str) -> None:
    """Before a start the highest that could be is assumed."""
    small = {"product": "L4", "instanceType": "small", "usdPerGPUHour": "1"}
    prices = Prices.model_validate(PRICES | {"gpus": [small]})
    context = Context(prices, IMAGE, read_nodes=read_nodes, now=NOW, refresh_cost=False)
    plan = reconcile(observed(spec={"trainer": {"gpus": {"product": "L4", "count": 1}}}), context)
    assert conditions(plan)[ConditionType.COST_KNOWN]["status"] == known


def test_a_cancellation_is_latched_by_the_pass_too() -> None:
    """Whatever became of the event's own latch; once."""
    for status, latched in ((None, True), ({"cancelTime": time_text(-5)}, False)):
        plan = decide(
            observed(spec={"cancel": True}, status=status, child=child(), pods=(pod(),), node_labels={POD_UID: {}})
        )
        assert (RecordCancel() in plan.actions) is latched


def test_what_has_changed_is_told_in_events() -> None:
    """Actions, bookings and conditions, in this order."""
    plan = decide(observed())
    assert [note.reason for note in plan.events] == ["AttemptStarted", "Starting"]
    settled = decide(observed(status=running_status(), child=child(), pods=(ended_pod(3),)))
    assert [note.reason for note in settled.events] == ["SpendSettled", "Restarting"]


def test_a_job_at_rest_is_not_written_again() -> None:
    """Held for its restarts, or suspended: a pass an hour later says the same, transition times included."""
    crash = {"reason": "TrainerCrashed", "time": time_text(-60), "counts": True}
    record = {"number": 1, "firstStartTime": time_text(-90), "ending": crash}
    cost = {"spentUSD": "0.1000", "settledUSD": "0.037500"}
    for spec in ({"retry": {"maxRestarts": 0}}, {"suspend": True}):
        status = running_status(cost=cost, attempt=record)
        for _ in range(4):
            status = next_status(decide(observed(status=status, spec=spec)))
        later = decide(observed(status=status, spec=spec), now=at(3600), refresh_cost=True)
        assert later.actions == later.events == ()
        assert {c["type"]: c for c in next_status(later)["conditions"]} == {c["type"]: c for c in status["conditions"]}


def test_what_was_told_to_go_and_stays_is_shown() -> None:
    """A minute after its grace, whoever told it: nothing begins beside it."""
    stuck = observed(status=running_status(), child=child(), pods=(pod(deletion_time=at(-60)),))
    found = conditions(decide(stuck))[ConditionType.DEGRADED]
    assert (found["status"], found["reason"]) == ("True", "DeletionOverdue")

"""Observations made by hand, for the tests of pure decisions."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.trainyard_operator.bench import IMAGE, PRICES, training_job
from trainyard_api import names
from trainyard_api.checkpoint import Checkpoint
from trainyard_api.conditions import ConditionType
from trainyard_api.training_job import TrainingJob
from trainyard_operator.cluster.pod import PodView, Resources
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.money.booking import keep_books
from trainyard_operator.money.prices import Prices
from trainyard_operator.trainingjob import reconcile
from trainyard_operator.trainingjob.attempt import standing
from trainyard_operator.trainingjob.attempt.outcome import Run
from trainyard_operator.trainingjob.decision.actions import Plan
from trainyard_operator.trainingjob.decision.observed import ChildView, Observed
from trainyard_operator.trainingjob.gates.before_start import before_start
from trainyard_operator.trainingjob.life.situation import Situation
from trainyard_operator.trainingjob.stops.wanted import wanted

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
UID = "5b1c0b2e-0000-4000-8000-000000000001"
POD_UID = "9d2f0c3e-0000-4000-8000-000000000002"
NAME = "sums"
PREFIX = f"s3://models/p/team-a/{NAME}/{UID}/"
TABLE = Prices.model_validate(PRICES)


def at(seconds: int) -> datetime:
    """A moment relative to NOW."""
    return NOW + timedelta(seconds=seconds)


def time_text(seconds: int) -> str:
    """The same as the API writes it."""
    return at(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def job_body(*, status: dict[str, Any] | None = None, deleted: int | None = None, **spec: Any) -> dict[str, Any]:
    """A TrainingJob as the API server has it."""
    body = training_job(NAME, **spec)
    body["metadata"] |= {
        "uid": UID,
        "generation": 1,
        "resourceVersion": "7",
        "creationTimestamp": time_text(-1000),
        "finalizers": [names.SETTLEMENT_FINALIZER],
    }
    if deleted is not None:
        body["metadata"]["deletionTimestamp"] = time_text(deleted)
    return body | ({"status": status} if status else {})


def job(**changes: Any) -> TrainingJob:
    """The same, parsed."""
    return TrainingJob.model_validate(job_body(**changes))


def run(**changes: Any) -> Run:
    """What the judge of pods is told."""
    return Run("team-a", NAME, UID, job(**changes).spec, IMAGE)


def pod(**changes: Any) -> PodView:
    """A pod of the first attempt that has run for 100 s."""
    facts: dict[str, Any] = {
        "uid": POD_UID,
        "name": f"{NAME}-1-abcde",
        "namespace": "team-a",
        "resource_version": "3",
        "job_name": NAME,
        "job_uid": UID,
        "attempt": 1,
        "role": "",
        "finalizers": (names.ACCOUNTING_FINALIZER,),
        "resources": Resources(Decimal(1), Decimal(1)),
        "created_time": at(-101),
        "node_name": "node-1",
        "phase": "Running",
        "bound_time": at(-100),
        "started": True,
    }
    return PodView(**facts | changes)


POD_BODY: dict[str, Any] = {
    "metadata": {
        "name": f"{NAME}-1-abcde",
        "namespace": "team-a",
        "uid": POD_UID,
        "resourceVersion": "3",
        "labels": names.job_labels(NAME, UID, 1),
        "finalizers": [names.ACCOUNTING_FINALIZER],
        "creationTimestamp": time_text(-101),
    },
    "spec": {
        "nodeName": "node-1",
        "nodeSelector": {"nvidia.com/gpu.product": "L4"},
        "containers": [
            {"name": "added-by-the-cluster", "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}},
            {"name": "trainer", "resources": {"requests": {"cpu": "1500m", "memory": "2Gi", "nvidia.com/gpu": "2"}}},
        ],
    },
    "status": {
        "phase": "Running",
        "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": time_text(-100)}],
        "containerStatuses": [{"name": "trainer", "state": {"running": {"startedAt": time_text(-90)}}}],
    },
}
"""That pod as the API server has it, with a container that the cluster added; nobody owns it."""
_OWNER = {"kind": "Job", "name": f"{NAME}-1", "uid": "child-uid", "controller": True}
JOBS_POD_BODY = POD_BODY | {"metadata": POD_BODY["metadata"] | {"ownerReferences": [_OWNER]}}
"""The same, owned by the first attempt's Job."""


CHILD_BODY: dict[str, Any] = {
    "metadata": {
        "name": f"{NAME}-1",
        "namespace": "team-a",
        "uid": "child-uid",
        "creationTimestamp": time_text(-10),
        "ownerReferences": [{"kind": "TrainingJob", "uid": UID, "controller": True}],
    },
    "spec": {"template": {"spec": {}}},
}
"""The first attempt's Job as the API server has it, as far as it tells."""


def pod_body(**metadata: Any) -> dict[str, Any]:
    """The pod that the first attempt's Job owns, with other metadata."""
    body = copy.deepcopy(JOBS_POD_BODY)
    body["metadata"] |= metadata
    return body


def follows(name: str, other: str, **status: Any) -> dict[str, Any]:
    """A TrainingJob that starts from another one's checkpoint."""
    body = job_body(model={"checkpoint": {"trainingJob": other}}, status=status or None)
    body["metadata"] = body["metadata"] | {"name": name, "uid": f"uid-{name}"}
    return body


def ended_pod(exit_code: int, text: str = "", **changes: Any) -> PodView:
    """A pod that ended 10 s ago, after 90 s."""
    facts = {
        "phase": "Succeeded" if exit_code == 0 else "Failed",
        "exit_code": exit_code,
        "termination_text": text,
        "finished_time": at(-10),
        "all_ended": True,
    }
    return pod(**facts | changes)


def child(**changes: Any) -> ChildView:
    """The first attempt's Job."""
    facts: dict[str, Any] = {"name": f"{NAME}-1", "uid": "child-uid", "ours": True, "run_config": ("c", "{}")}
    if changes.pop("deleting", False):
        facts["deletion_time"] = at(-1)
    return ChildView(**facts | changes)


def claim(step: int = 10, **changes: Any) -> Claim:
    """A claim that is in order."""
    facts: dict[str, Any] = {
        "uri": f"{PREFIX}step-{step}-9d2f0c3e/",
        "run_uid": UID,
        "attempt": 1,
        "step": step,
        "digest": f"sha256:{step:064x}",
        "size_bytes": 2048,
        "metrics": {"reward_mean": "0.75"},
        "committed_time": at(-20),
    }
    return Claim(**facts | changes)


def checkpoint(of: Claim, *, ready: bool = True, name: str | None = None) -> Checkpoint:
    """The object of a claim."""
    condition = {"type": "Ready", "status": "True", "reason": "Committed", "lastTransitionTime": time_text(-10)}
    status = {"conditions": [condition], "uri": of.uri, "digest": of.digest, "step": of.step}
    body: dict[str, Any] = {
        "metadata": {
            "name": name or of.object_name(NAME, UID),
            "namespace": "team-a",
            "uid": "checkpoint-uid",
            "generation": 1,
        },
        "spec": {
            "source": {"uri": of.uri, "digest": of.digest},
            "storage": training_job(NAME)["spec"]["checkpoints"]["storage"],
        },
    }
    return Checkpoint.model_validate(body | ({"status": status} if ready else {}))


def reported(kind: ConditionType, status: str, reason: str, message: str = "") -> dict[str, Any]:
    """A condition as it was written before."""
    return {
        "type": kind.value,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": time_text(-500),
        "observedGeneration": 1,
    }


def open_pod(*, end: int | None = None) -> dict[str, Any]:
    """The pod as status.cost knows it."""
    entry = {"uid": POD_UID, "name": f"{NAME}-1-abcde", "boundTime": time_text(-100), "ratePerHourUSD": "1.500000"}
    return entry | ({"endTime": time_text(end)} if end is not None else {})


def running_status(*conditions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The status of a job whose pod runs."""
    base: dict[str, Any] = {
        "conditions": list(conditions),
        "observedGeneration": 1,
        "attempts": 1,
        "attempt": {"number": 1, "jobRef": {"name": f"{NAME}-1", "uid": "child-uid"}, "firstStartTime": time_text(-90)},
        "jobRef": {"name": f"{NAME}-1"},
        "podRef": {"name": f"{NAME}-1-abcde", "uid": POD_UID},
        "startTime": time_text(-110),
        "cost": {"spentUSD": "0.0100", "settledUSD": "0.000000", "openPods": [open_pod()]},
        "budget": {"limitUSD": "5.00", "source": "Spec"},
    }
    return base | fields


def stop_record(cause: str = "Suspended", attempt: int = 1) -> dict[str, Any]:
    """The record of a stop that was asked for a while ago."""
    return {"cause": cause, "time": time_text(-60), "attempt": attempt}


def ending(reason: str = "TrainerCrashed", **changes: Any) -> dict[str, Any]:
    """How an attempt ended, as it stands on record; a crash by default."""
    facts: dict[str, Any] = {"reason": reason, "message": "why", "time": time_text(-10), "counts": True}
    return {name: value for name, value in (facts | changes).items() if value is not None}


def ended_record(reason: str = "TrainerCrashed", *, number: int = 1, **changes: Any) -> dict[str, Any]:
    """The record of an attempt that has ended."""
    return {
        "number": number,
        "jobRef": {"name": f"{NAME}-{number}", "uid": "child-uid"},
        "firstStartTime": time_text(-90),
        "ending": ending(reason, **changes),
    }


def observed(
    *,
    status: dict[str, Any] | None = None,
    deleted: int | None = None,
    spec: dict[str, Any] | None = None,
    **around: Any,
) -> Observed:
    """A TrainingJob and what is around it."""
    parsed = job(status=status, deleted=deleted, **(spec or {}))
    return Observed(parsed, status or {}, **around)


def situation(*, now: datetime = NOW, **around: Any) -> Situation:
    """All parts of a job judged, as a pass does before it decides on the job's life."""
    seen = observed(**around)
    view = standing.look(seen, reconcile.run_of(seen, IMAGE), now)
    gate = before_start(seen, TABLE, read_nodes=True, view=view)
    books = keep_books(seen.account, TABLE, now, ledger_up=seen.ledger_up, refresh=False)
    return Situation(seen, wanted(seen), gate, view, seen.review_claims(), books, now)


def decide(seen: Observed, *, now: datetime = NOW, refresh_cost: bool = False, prices: Prices = TABLE) -> Plan:
    """The plan for an observation."""
    context = reconcile.Context(prices, IMAGE, read_nodes=True, now=now, refresh_cost=refresh_cost)
    return reconcile.decide(seen, context)


def conditions(plan: Plan) -> dict[str, dict[str, Any]]:
    """All conditions of a plan by type."""
    both = (*plan.operator_half.get("conditions", ()), *plan.budget_half.get("conditions", ()))
    return {entry["type"]: entry for entry in both}


def summary_of(plan: Plan) -> tuple[str, str]:
    """Status and reason of `Succeeded` after a plan."""
    found = conditions(plan)[ConditionType.SUCCEEDED]
    return found["status"], found["reason"]


def next_status(plan: Plan) -> dict[str, Any]:
    """The status that a plan writes."""
    both = [*plan.operator_half["conditions"], *plan.budget_half.get("conditions", [])]
    return {**plan.operator_half, **plan.budget_half, "conditions": both}

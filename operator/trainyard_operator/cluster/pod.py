"""What the operator reads of a trainer pod.

Place in the data's way: from station 4 back to station 2. One function turns the API's object into the facts that
policies ask for. Nothing here decides what they mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from trainyard_api import names
from trainyard_api.quantities import GIB, parse_quantity
from trainyard_operator.cluster.clock import parse_time


@dataclass(frozen=True)
class Resources:
    """What a pod asks for and is charged for."""

    cpu: Decimal
    """Cores."""
    memory_gib: Decimal
    """GiB."""
    gpus: int = 0
    """GPUs."""
    gpu_product: str | None = None
    """Product of the GPUs."""


@dataclass(frozen=True)
class PodView:
    """A trainer pod at one moment."""

    uid: str
    name: str
    namespace: str
    resource_version: str
    job_name: str
    job_uid: str
    attempt: int
    role: str
    """What it is for, besides training; empty: it trains."""
    finalizers: tuple[str, ...]
    resources: Resources
    created_time: datetime
    grace_seconds: int | None = None
    """How long it may take to stop; None: as long as a cluster's default."""
    deletion_time: datetime | None = None
    """When its grace is over, once deletion was asked for."""
    force_deleted: bool = False
    """Deleted with no grace: by a person, or because its node is gone."""
    node_name: str | None = None
    phase: str = "Pending"
    bound_time: datetime | None = None
    unschedulable: str | None = None
    """The scheduler's message."""
    started: bool = False
    """Whether its container has ever run."""
    waiting_reason: str | None = None
    waiting_message: str = ""
    exit_code: int | None = None
    out_of_memory: bool = False
    termination_text: str | None = None
    finished_time: datetime | None = None
    """When its last container ended."""
    all_ended: bool = False
    """Whether every container has ended."""
    disruption: str | None = None
    """Message of the condition DisruptionTarget."""
    status_reason: str = ""
    """Why the kubelet refused or evicted it, in its word."""
    status_message: str = ""

    @property
    def bound(self) -> bool:
        """Tells whether it has been given a node."""
        return self.bound_time is not None

    @property
    def terminal(self) -> bool:
        """Tells whether its phase says that it is over."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def over(self) -> bool:
        """Tells whether nothing of it runs and never will again, as far as the cluster knows: it costs no more."""
        gone = self.force_deleted or (self.deletion_time is not None and not self.bound)
        return self.terminal or self.all_ended or gone

    @property
    def ended(self) -> bool:
        """Tells whether its trainer runs no more and never will again; other containers may go on, and cost."""
        return self.over or self.exit_code is not None

    @property
    def held(self) -> bool:
        """Tells whether it waits for us to book it."""
        return names.ACCOUNTING_FINALIZER in self.finalizers


def read_pod(body: Mapping[str, Any]) -> PodView:
    """Reads the facts of a pod from its object.

    What happened is read of the trainer's container; requests and the end, of all: a cluster may have added others.

    Raises:
        KeyError, ValueError: it isn't a pod that this operator made.
    """
    metadata, spec, status = body["metadata"], body["spec"], body.get("status", {})
    labels = metadata.get("labels", {})
    conditions = {entry["type"]: entry for entry in status.get("conditions", ())}
    deletion = metadata.get("deletionTimestamp")
    return PodView(
        uid=metadata["uid"],
        name=metadata["name"],
        namespace=metadata["namespace"],
        resource_version=metadata["resourceVersion"],
        job_name=labels[names.JOB_LABEL],
        job_uid=labels[names.JOB_UID_LABEL],
        attempt=int(labels[names.ATTEMPT_LABEL]),
        role=labels.get(names.ROLE_LABEL, ""),
        finalizers=tuple(metadata.get("finalizers", ())),
        resources=_resources(spec),
        created_time=parse_time(metadata["creationTimestamp"]),
        grace_seconds=spec.get("terminationGracePeriodSeconds"),
        deletion_time=parse_time(deletion) if deletion else None,
        force_deleted=bool(deletion) and metadata.get("deletionGracePeriodSeconds") == 0 and bool(spec.get("nodeName")),
        node_name=spec.get("nodeName"),
        phase=status.get("phase", "Pending"),
        bound_time=_bound_time(metadata, spec, status, conditions),
        unschedulable=_message_if(conditions.get("PodScheduled"), status="False"),
        disruption=_message_if(conditions.get("DisruptionTarget"), status="True"),
        status_reason=status.get("reason", ""),
        status_message=": ".join(part for part in (status.get("reason"), status.get("message")) if part),
        all_ended=_all_ended(spec, status),
        **_container(status),
    )


def _resources(spec: Mapping[str, Any]) -> Resources:
    if not any(entry["name"] == names.TRAINER_CONTAINER for entry in spec["containers"]):
        raise ValueError(f"spec.containers: must hold {names.TRAINER_CONTAINER}")
    return Resources(
        cpu=_requested(spec, "cpu"),
        memory_gib=_requested(spec, "memory") / GIB,
        gpus=int(_requested(spec, names.GPU_RESOURCE)),
        gpu_product=spec.get("nodeSelector", {}).get(names.GPU_PRODUCT_NODE_LABEL),
    )


def _requested(spec: Mapping[str, Any], resource: str) -> Decimal:
    """Computes what a scheduler sets aside: the most that init containers and containers need at any moment.

    Native sidecars (init containers that always restart) run beside all that comes after them. Source: KEP-753.
    """
    beside, most = Decimal(0), Decimal(0)
    for entry in spec.get("initContainers", ()):
        amount = _request_of(entry, resource)
        if entry.get("restartPolicy") == "Always":
            beside += amount
        most = max(most, beside if entry.get("restartPolicy") == "Always" else beside + amount)
    together = beside + sum((_request_of(entry, resource) for entry in spec["containers"]), Decimal(0))
    return max(most, together) + parse_quantity(str(spec.get("overhead", {}).get(resource, "0")))


def _request_of(container: Mapping[str, Any], resource: str) -> Decimal:
    return parse_quantity(str(container.get("resources", {}).get("requests", {}).get(resource, "0")))


def _all_ended(spec: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Tells whether each container, and each native sidecar, is reported ended."""
    wanted = {entry["name"] for entry in spec["containers"]}
    wanted |= {e["name"] for e in spec.get("initContainers", ()) if e.get("restartPolicy") == "Always"}
    reported = (*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ()))
    return wanted <= {entry["name"] for entry in reported if "terminated" in entry.get("state", {})}


def _bound_time(
    metadata: Mapping[str, Any], spec: Mapping[str, Any], status: Mapping[str, Any], conditions: Mapping[str, Any]
) -> datetime | None:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "True" and scheduled.get("lastTransitionTime"):
        return parse_time(scheduled["lastTransitionTime"])
    # A pod may be bound without the scheduler, and then has no such condition.
    return parse_time(status.get("startTime") or metadata["creationTimestamp"]) if spec.get("nodeName") else None


def _message_if(condition: Mapping[str, Any] | None, *, status: str) -> str | None:
    if condition is None or condition["status"] != status:
        return None
    return condition.get("message") or condition.get("reason") or ""


def _container(status: Mapping[str, Any]) -> dict[str, Any]:
    containers = status.get("containerStatuses", ())
    trainer = next((entry for entry in containers if entry["name"] == names.TRAINER_CONTAINER), None)
    if trainer is None:
        return {}
    state = trainer.get("state", {})
    waiting, ended = state.get("waiting"), state.get("terminated")
    facts: dict[str, Any] = {"started": "running" in state or ended is not None}
    if waiting is not None:
        facts |= {"waiting_reason": waiting.get("reason"), "waiting_message": waiting.get("message", "")}
    if ended is not None:
        facts |= {
            "exit_code": ended["exitCode"],
            "out_of_memory": ended.get("reason") == "OOMKilled",
            "termination_text": ended.get("message"),
            "finished_time": _last_end((*containers, *status.get("initContainerStatuses", ()))),
        }
    return facts


def _last_end(containers: Iterable[Mapping[str, Any]]) -> datetime | None:
    states = (entry.get("state", {}).get("terminated", {}) for entry in containers)
    ends = [parse_time(state["finishedAt"]) for state in states if state.get("finishedAt")]
    return max(ends, default=None)

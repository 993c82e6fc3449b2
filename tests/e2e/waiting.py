"""Applying jobs, and waiting for what a cluster does with them in its own time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hack.kubectl import Kubectl, condition
from tests.e2e.manifests import NAMESPACE, Manifest
from tests.waiting import GUARD_SECONDS, WITHIN_GUARD, until

JOB = "trainyard.dev/training-job"
WATCH_SECONDS = int(GUARD_SECONDS / 2)
"""Of one `kubectl wait`: it watches, where looking again and again would take a processor from those who train."""


@dataclass(frozen=True)
class Applied(Kubectl):
    """A cluster's programs, and the names of the TrainingJobs that were applied by them."""

    names: set[str] = field(default_factory=set)


def apply(kubectl: Kubectl, *manifests: Manifest) -> None:
    """Apply manifests as a person would; as JSON, because PyYAML and kubectl disagree on whether 1e-3 is a number."""
    if isinstance(kubectl, Applied):
        kubectl.names.update(each["metadata"]["name"] for each in manifests if each["kind"] == "TrainingJob")
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))


def remove(applied: Applied) -> None:
    """Delete the TrainingJobs that were applied, wait until they are gone, and delete their Checkpoints."""
    if applied.names:
        where = ("-n", NAMESPACE, "--ignore-not-found", WITHIN_GUARD)
        applied("delete", "trainingjobs.trainyard.dev", *sorted(applied.names), *where)
        applied("delete", "checkpoints.trainyard.dev", "-l", f"{JOB} in ({','.join(sorted(applied.names))})", *where)


def job(kubectl: Kubectl, name: str) -> dict[str, Any]:
    """A TrainingJob as the API server has it."""
    return kubectl.json("get", "trainingjobs.trainyard.dev", name, "-n", NAMESPACE)


def pods(kubectl: Kubectl, *names: str) -> list[dict[str, Any]]:
    """Every pod that exists for one of these TrainingJobs."""
    return kubectl.items("pods", "-n", NAMESPACE, "-l", f"{JOB} in ({','.join(names)})")


def ended(kubectl: Kubectl, name: str, *, guards: int = 1) -> dict[str, Any]:
    """The job, once its outcome is final; one that trains for minutes is given several guards."""
    watch = ("wait", f"trainingjobs.trainyard.dev/{name}", "-n", NAMESPACE, "--for=condition=Finished")
    until(
        lambda: kubectl.try_(*watch, f"--timeout={WATCH_SECONDS}s")[0] == 0,
        lambda: f"{name} has not ended: {json.dumps(job(kubectl, name).get('status'), indent=1)}",
        pause=1,
        guards=guards,
    )
    found = job(kubectl, name)
    assert condition(found, "Succeeded")["status"] != "Unknown", found["status"]
    return found


def stepping(kubectl: Kubectl, name: str) -> dict[str, Any]:
    """The job, once its trainer has reported that a step is done."""

    def look() -> dict[str, Any] | None:
        found = job(kubectl, name)
        return found if found.get("status", {}).get("progress", {}).get("step") else None

    return until(look, f"{name} makes no progress", pause=0.3)


def settled(kubectl: Kubectl, name: str) -> dict[str, Any]:
    """The job, once no pod of it costs money any more and all spend is booked."""

    def look() -> dict[str, Any] | None:
        cost = job(kubectl, name).get("status", {}).get("cost", {})
        return cost if cost.get("settledUSD") and not cost.get("openPods") else None

    return until(look, f"the spend of {name} isn't booked", pause=1)

"""Waiting for what a cluster does in its own time."""

from __future__ import annotations

import json
from typing import Any

from hack.kubectl import Kubectl, condition
from tests.e2e.manifests import NAMESPACE, Manifest
from tests.waiting import until


def apply(kubectl: Kubectl, *manifests: Manifest) -> None:
    """Apply manifests as a person would; as JSON, because PyYAML and kubectl disagree on whether 1e-3 is a number."""
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))


def job(kubectl: Kubectl, name: str) -> dict[str, Any]:
    """A TrainingJob as the API server has it."""
    return kubectl.json("get", "trainingjobs.trainyard.dev", name, "-n", NAMESPACE)


def pods(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    """Every pod that exists for a TrainingJob."""
    return kubectl.items("pods", "-n", NAMESPACE, "-l", f"trainyard.dev/training-job={name}")


def ended(kubectl: Kubectl, name: str, *, guards: int = 1) -> dict[str, Any]:
    """The job, once its outcome is final; one that trains for minutes is given several guards."""

    def look() -> dict[str, Any] | None:
        found = job(kubectl, name)
        return found if condition(found, "Succeeded").get("status", "Unknown") != "Unknown" else None

    def status() -> str:
        return f"{name} has not ended: {json.dumps(job(kubectl, name).get('status'), indent=1)}"

    return until(look, status, pause=1, guards=guards)


def settled(kubectl: Kubectl, name: str) -> dict[str, Any]:
    """The job, once no pod of it costs money any more and all spend is booked."""

    def look() -> dict[str, Any] | None:
        cost = job(kubectl, name).get("status", {}).get("cost", {})
        return cost if cost.get("settledUSD") and not cost.get("openPods") else None

    return until(look, f"the spend of {name} isn't booked", pause=1)

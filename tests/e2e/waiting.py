"""Waiting for what a cluster does in its own time, with a bound and a sentence when the bound is reached."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from hack.kubectl import Kubectl, condition
from tests.e2e.manifests import NAMESPACE, Manifest

T = TypeVar("T")


def until(look: Callable[[], T | None], what: str, *, seconds: float) -> T:
    """The first value that `look` gives; fails with `what` when the time is over."""
    deadline = time.monotonic() + seconds
    while (seen := look()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:.0f} s: {what}")
        time.sleep(1)
    return seen


def apply(kubectl: Kubectl, *manifests: Manifest) -> None:
    """Apply manifests as a person would; as JSON, because PyYAML and kubectl disagree on whether 1e-3 is a number."""
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))


def job(kubectl: Kubectl, name: str) -> dict[str, Any]:
    """A TrainingJob as the API server has it."""
    return kubectl.json("get", "trainingjobs.trainyard.dev", name, "-n", NAMESPACE)


def pods(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    """Every pod that exists for a TrainingJob."""
    return kubectl.items("pods", "-n", NAMESPACE, "-l", f"trainyard.dev/training-job={name}")


def ended(kubectl: Kubectl, name: str, *, seconds: float) -> dict[str, Any]:
    """The job, once its outcome is final."""

    def look() -> dict[str, Any] | None:
        found = job(kubectl, name)
        return found if condition(found, "Succeeded").get("status", "Unknown") != "Unknown" else None

    try:
        return until(look, f"{name} has not ended", seconds=seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{json.dumps(job(kubectl, name).get('status'), indent=1)}") from None


def settled(kubectl: Kubectl, name: str, *, seconds: float = 60) -> dict[str, Any]:
    """The job, once no pod of it costs money any more and all spend is booked."""

    def look() -> dict[str, Any] | None:
        cost = job(kubectl, name).get("status", {}).get("cost", {})
        return cost if cost.get("settledUSD") and not cost.get("openPods") else None

    return until(look, f"the spend of {name} isn't booked", seconds=seconds)

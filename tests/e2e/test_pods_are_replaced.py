"""Pods that die in a real cluster are replaced by the operator, and the run ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from hack.kubectl import Kubectl
from tests.e2e.manifests import NAMESPACE
from tests.e2e.marked_runs import assert_equal, completed, marked, pod_at, steady_run
from tests.e2e.pod_processes import processes_of
from tests.e2e.waiting import apply

pytestmark = pytest.mark.e2e


def _kill(pod: dict[str, Any]) -> None:
    """SIGKILL to every process of a pod, from outside, as a kernel does that is out of memory."""
    for process in processes_of(pod, "trainyard_trainer"):
        os.kill(process, signal.SIGKILL)


@pytest.fixture(scope="module")
def steady(clean: Kubectl) -> dict[str, Any]:
    """The job whose pod is left alone."""
    return steady_run(clean)


def _survives(kubectl: Kubectl, name: str, killed: int, steady: dict[str, Any]) -> None:
    """Kills pods of so many attempts, deletes the next one's, and compares what is left with the calm job's."""
    apply(kubectl, marked(name))
    for attempt in range(1, killed + 1):
        _kill(pod_at(kubectl, name, attempt))
    last = pod_at(kubectl, name, killed + 1)
    kubectl("delete", "pod", last["metadata"]["name"], "-n", NAMESPACE, "--wait=false")
    found = completed(kubectl, name)
    assert found["status"]["attempts"] == killed + 2
    assert found["status"]["restarts"]["interruptions"] == 1
    assert_equal(kubectl, found, steady)


def test_a_run_whose_pods_die_ends_as_one_that_is_left_alone(clean: Kubectl, steady: dict[str, Any]) -> None:
    """SIGKILL in an update, then a deleted pod in an update: equal weights, optimizer and rows."""
    _survives(clean, "fragile", 1, steady)


@pytest.mark.nightly
def test_a_run_whose_pods_die_in_every_phase_ends_so_too(clean: Kubectl, steady: dict[str, Any]) -> None:
    """SIGKILL in a rollout, an update and a save, then a deleted pod in an update."""
    _survives(clean, "mortal", 3, steady)

"""A server that hangs for a minute in the middle of a run costs the run time, and nothing else.

Frozen, not killed: its connections stay open and nobody answers, which is what a broken network or node looks like.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hack.cluster import layout, processes
from hack.kubectl import Kubectl
from hack.services import names
from tests.e2e.marked_runs import assert_equal, completed, marked, pod_at, steady_run
from tests.e2e.pod_processes import processes_of
from tests.e2e.waiting import apply
from tests.waiting import WITHIN_GUARD

pytestmark = pytest.mark.e2e

AWAY_SECONDS = 60


@pytest.fixture(scope="module")
def steady(clean: Kubectl) -> dict[str, Any]:
    """The job all of whose servers answer."""
    return steady_run(clean)


def _pod_of(kubectl: Kubectl, service: str) -> dict[str, Any]:
    (pod,) = kubectl.items("pods", "-n", names.NAMESPACE, "-l", f"app.kubernetes.io/name={service}")
    return pod


def _component(name: str) -> int:
    found = processes.find(layout.pids(), name)
    assert found is not None, f"{name} doesn't run"
    return found.pid


def _processes(kubectl: Kubectl, server: str) -> list[int]:
    return processes_of(_pod_of(kubectl, server)) if server in {names.S3, names.POSTGRES} else [_component(server)]


@contextlib.contextmanager
def _frozen(ids: list[int]) -> Iterator[None]:
    for each in ids:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in ids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)


@pytest.mark.nightly
@pytest.mark.parametrize("server", [names.S3, names.POSTGRES, "kube-apiserver", "kubelet"])
def test_a_run_outlives_a_server_that_hangs(clean: Kubectl, steady: dict[str, Any], server: str) -> None:
    """One attempt, equal weights, trainer's state and rows."""
    name = f"lonely-{server}"
    apply(clean, marked(name))
    pod_at(clean, name, 1)
    with _frozen(_processes(clean, server)):
        time.sleep(AWAY_SECONDS)
    found = completed(clean, name)
    # A node that said nothing for so long has lost its services' endpoints, which come back after a while.
    clean("wait", "pods", "--all", "-n", names.NAMESPACE, "--for=condition=Ready", WITHIN_GUARD)
    assert found["status"]["attempts"] == 1
    assert_equal(clean, found, steady)

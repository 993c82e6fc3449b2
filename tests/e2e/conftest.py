"""A cluster with the product installed, for all end-to-end tests; the same steps as the demo's."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator

import pytest

from hack.demo.__main__ import bring_up
from hack.demo.phases import Story
from hack.kubectl import Kubectl
from tests.e2e.manifests import NAMESPACE
from tests.e2e.waiting import Applied, remove
from tests.waiting import WITHIN_GUARD


@pytest.fixture(scope="session")
def kubectl(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Kubectl:
    """The test cluster with database, S3 server and chart, brought up the way `make demo` does, without anybody's jobs.

    Of several processes the first does it, and the others wait for it.
    """
    if worker_id == "master":
        return _empty_cluster()
    shared = tmp_path_factory.getbasetemp().parent
    with (shared / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "cluster-is-up").exists():
            _empty_cluster()
            (shared / "cluster-is-up").touch()
    return Kubectl.current()


def _empty_cluster() -> Kubectl:
    kubectl = bring_up(Story())
    kubectl("delete", "trainingjobs.trainyard.dev", "--all", "-n", NAMESPACE, WITHIN_GUARD)
    kubectl("delete", "checkpoints.trainyard.dev", "--all", "-n", NAMESPACE, WITHIN_GUARD)
    return kubectl


@pytest.fixture(scope="module")
def clean(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The cluster, with every TrainingJob that the module's tests apply deleted afterwards, and its Checkpoints."""
    applied = Applied(kubectl.cluster)
    yield applied
    remove(applied)

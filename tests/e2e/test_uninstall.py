"""Uninstalling the chart leaves the user's objects and nothing that blocks their deletion."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hack.demo.install import NAMESPACE as SYSTEM
from hack.demo.install import RELEASE, install_chart
from hack.kubectl import Kubectl
from tests.e2e.manifests import NAMESPACE, example
from tests.e2e.waiting import apply, job, pods, stepping
from tests.waiting import WITHIN_GUARD, until
from trainyard_api import names

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


@pytest.fixture
def installed_again(clean: Kubectl) -> Iterator[Kubectl]:
    """The cluster; the chart is installed again afterwards, for the tests that follow."""
    yield clean
    install_chart(clean)


def test_uninstall_releases_finalizers_and_keeps_objects(installed_again: Kubectl) -> None:
    """After `helm uninstall` the TrainingJobs are there, and they and their pods can be deleted without an operator."""
    kubectl = installed_again
    apply(kubectl, example("calculator-sft", metadata__name="orphan", spec__algorithm__sft__steps=5000))
    stepping(kubectl, "orphan")
    kubectl("uninstall", RELEASE, "-n", SYSTEM, "--wait", WITHIN_GUARD, program="helm")
    left = job(kubectl, "orphan")
    assert not left["metadata"].get("finalizers")
    alive = pods(kubectl, "orphan")
    assert len(alive) == 1
    assert names.ACCOUNTING_FINALIZER not in alive[0]["metadata"].get("finalizers", [])
    kubectl("delete", "trainingjobs.trainyard.dev", "orphan", "-n", NAMESPACE, WITHIN_GUARD)
    until(lambda: None if pods(kubectl, "orphan") else True, "its pods stay")

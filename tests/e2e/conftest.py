"""A cluster with the product installed, for all end-to-end tests; the same steps as the demo's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hack.demo.__main__ import bring_up
from hack.demo.phases import Story
from hack.kubectl import Kubectl
from tests.e2e.manifests import NAMESPACE
from tests.waiting import WITHIN_GUARD


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """The test cluster with database, S3 server and chart, brought up the way `make demo` does."""
    return bring_up(Story())


@pytest.fixture(scope="module")
def clean(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The cluster, with every TrainingJob that the module's tests leave behind deleted afterwards."""
    yield kubectl
    kubectl("delete", "trainingjobs.trainyard.dev", "--all", "-n", NAMESPACE, WITHIN_GUARD)
    kubectl("delete", "checkpoints.trainyard.dev", "--all", "-n", NAMESPACE, WITHIN_GUARD)

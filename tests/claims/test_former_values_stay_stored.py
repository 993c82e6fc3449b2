"""An object that holds a value by its former name lives on when the CRDs are upgraded: on a real API server.

Kubernetes leaves alone what an update doesn't change, though the schema no longer has it: of the status always, of the
rest by ratcheting (on by default from 1.30, always from 1.33).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hack.cluster.controlplane import control_plane
from hack.generate.crd import definition
from tests.contract import bases
from tests.contract.cel_breaks import changed
from tests.contract.server import Refusal, Server
from tests.waiting import until
from trainyard_api.algorithm import LossType
from trainyard_api.names import OPERATOR_MANAGER, SETTLEMENT_FINALIZER
from trainyard_api.training_job import TrainingJob, parse_training_job

pytestmark = pytest.mark.integration

FORMER: dict[str, Any] = {"type": "GRPO", "grpo": {"loss": "DR_GRPO", "steps": 5, "maxPolicyTokens": 64}}
MANIFEST = changed(bases.training_jobs()[1], {"spec.algorithm": FORMER, "metadata.name": "stored"})
WHERE = ("trainingjob", "stored", "--namespace", "default")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An API server that stored a job under the former CRD, and has today's since."""
    with control_plane(tmp_path_factory.mktemp("plane")) as plane:
        server = Server(plane.kubeconfig)
        former = json.dumps(definition(TrainingJob)).replace("DrGRPO", "DR_GRPO")
        server.must("apply", "--server-side", "-f", "-", stdin=former)
        until(lambda: server.kubectl("apply", "-f", "-", stdin=json.dumps(MANIFEST))[0] == 0, "the job isn't stored")
        server.install_crds()
        new = changed(MANIFEST, {"metadata.name": "new"})
        until(lambda: isinstance(server.create(new), Refusal), "the former value is still offered")
        yield server


def stored(server: Server) -> dict[str, Any]:
    """The job as the API server has it."""
    return json.loads(server.must("get", *WHERE, "--output=json"))


def test_a_new_object_is_refused_the_former_value(server: Server) -> None:
    """The error names the field and the values of today."""
    refused = server.create(changed(MANIFEST, {"metadata.name": "new"}))
    assert isinstance(refused, Refusal)
    assert "spec.algorithm.grpo.loss: Unsupported value" in refused.message
    assert '"DrGRPO"' in refused.message


def test_the_operator_and_the_pod_still_write_its_status(server: Server) -> None:
    """By server-side apply, as the operator does, and by merge patch, as the pod does."""
    named = {key: MANIFEST[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": "stored"}}
    half = json.dumps(named | {"status": {"attempts": 1}})
    manager = f"--field-manager={OPERATOR_MANAGER}"
    server.must("apply", "--server-side", manager, "--subresource=status", "-n", "default", "-f", "-", stdin=half)
    assert server.patch("default", "stored", {"status": {"progress": {"step": 3}}}, subresource="status") == ""
    status = stored(server)["status"]
    assert (status["attempts"], status["progress"]["step"]) == (1, 3)


def test_its_finalizer_comes_and_goes(server: Server) -> None:
    """A job that can't be let go would hold its namespace."""
    for finalizers in ([SETTLEMENT_FINALIZER], []):
        assert server.patch("default", "stored", {"metadata": {"finalizers": finalizers}}) == ""
        assert stored(server)["metadata"].get("finalizers", []) == finalizers


def test_its_owner_applies_the_same_manifest_again_and_changes_what_may_change(server: Server) -> None:
    """As a GitOps tool does: the budget is raised, and the former value stays as it was stored."""
    for amount in ("5.00", "7.00"):
        again = changed(MANIFEST, {"spec.budget.maxCostUSD": amount})
        server.must("apply", "-f", "-", stdin=json.dumps(again))
    job = stored(server)
    assert job["spec"]["budget"]["maxCostUSD"] == "7.00"
    assert job["spec"]["algorithm"]["grpo"]["loss"] == "DR_GRPO"
    grpo = parse_training_job(job).spec.algorithm.grpo
    assert grpo is not None
    assert grpo.loss is LossType.DR_GRPO


def test_it_keeps_the_value_that_it_has(server: Server) -> None:
    """The algorithm is immutable, its name for today's value too: a manifest of a stored job stays as it is."""
    assert "is immutable" in server.patch("default", "stored", {"spec": {"algorithm": {"grpo": {"loss": "DrGRPO"}}}})

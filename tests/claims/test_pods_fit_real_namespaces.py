"""A trainer pod is admitted where namespaces have the restricted Pod Security Standard, a LimitRange, a ResourceQuota.

On a real API server, with the Job that the operator would make and the real Job controller; what isn't admitted is told
by an event that says why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from hack.cluster.controlplane import control_plane
from tests.contract.server import Server
from tests.trainyard_operator.bench import training_job
from tests.waiting import until
from trainyard_api import names
from trainyard_api.training_job import parse_training_job
from trainyard_operator.cluster.access import access_bodies
from trainyard_operator.trainingjob.trainer_pod.child_job import Rendering, child_job_body
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults

pytestmark = pytest.mark.integration

BARE = PodDefaults("trainer:1", "IfNotPresent")
EVERYTHING = PodDefaults("trainer:1", "IfNotPresent", ("registry",), "sandboxed", "10Gi", "1Gi")
Fields = dict[str, Any]


def limit_range(**limits: Fields) -> dict[str, Any]:
    """A LimitRange of containers."""
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "limits"},
        "spec": {"limits": [{"type": "Container"} | limits]},
    }


def quota(**hard: str) -> dict[str, Any]:
    """A ResourceQuota; `_` stands for a dot."""
    spec = {"hard": {name.replace("__", "-").replace("_", "."): value for name, value in hard.items()}}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota"}, "spec": spec}


@dataclass(frozen=True)
class Case:
    """What a namespace asks of its pods, what a job says, and why its pod isn't admitted; empty where it is."""

    rules: tuple[dict[str, Any], ...] = ()
    trainer: Fields | None = None
    defaults: PodDefaults = BARE
    refusal: str = ""


BOUNDS = limit_range(min={"cpu": "100m", "memory": "128Mi"}, max={"cpu": "4", "memory": "8Gi"})
SMALL_DEFAULTS = limit_range(
    default={"cpu": "500m", "memory": "512Mi"}, defaultRequest={"cpu": "100m", "memory": "256Mi"}
)
RATIO = limit_range(maxLimitRequestRatio={"cpu": "2", "memory": "1"}, default={"cpu": "2"})
DISK = limit_range(
    min={"ephemeral-storage": "1Gi"}, max={"ephemeral-storage": "20Gi"}, default={"ephemeral-storage": "2Gi"}
)
COUNTED = quota(requests_cpu="8", requests_memory="32Gi", limits_memory="32Gi", requests_ephemeral__storage="100Gi")
CPU_COUNTED = quota(requests_cpu="8", limits_cpu="8", limits_memory="32Gi")
CASES = {
    "nothing is asked, nothing is said": Case(),
    "all that an installation can say": Case(defaults=EVERYTHING),
    "all that a job can say": Case(
        trainer={
            "cpu": "1",
            "cpuLimit": "2",
            "memory": "2Gi",
            "sharedMemory": "1Gi",
            "ephemeralStorage": "5Gi",
            "imagePullSecrets": ["registry"],
            "runtimeClassName": "sandboxed",
        }
    ),
    "bounds, of which the upper becomes the CPU's limit": Case((BOUNDS,)),
    "defaults that are larger than the request": Case((limit_range(default={"cpu": "2"}),)),
    "defaults below the request": Case((SMALL_DEFAULTS,), refusal="must be less than or equal to cpu limit"),
    "defaults below the request, a limit of one's own": Case((SMALL_DEFAULTS,), {"cpuLimit": "1"}),
    "a ratio that the default limit keeps": Case((RATIO,)),
    "a ratio that it breaks": Case((RATIO,), {"cpu": "500m"}, refusal="cpu max limit to request ratio"),
    "a ratio, a limit of one's own": Case((RATIO,), {"cpu": "500m", "cpuLimit": "1"}),
    "a default for the disk": Case((DISK,)),
    "too much disk": Case((DISK,), {"ephemeralStorage": "30Gi"}, refusal="maximum ephemeral-storage usage"),
    "disk within bounds": Case((DISK,), {"ephemeralStorage": "20Gi"}),
    "a quota on the disk, of which nothing is asked": Case((COUNTED,)),
    "a quota on the disk": Case((COUNTED,), {"ephemeralStorage": "20Gi"}),
    "a quota on the disk, the installation's size": Case((COUNTED,), defaults=EVERYTHING),
    "a quota on CPU limits, nothing said": Case((CPU_COUNTED,), refusal="must specify limits.cpu"),
    "a quota on CPU limits": Case((CPU_COUNTED,), {"cpuLimit": "1"}),
    "a quota on CPU limits, a LimitRange that sets them": Case((CPU_COUNTED, limit_range(default={"cpu": "1"}))),
    "a quota that is used up": Case(
        (quota(requests_cpu="500m"),), refusal="exceeded quota: quota, requested: requests.cpu=1"
    ),
    "a RuntimeClass that isn't there": Case(
        trainer={"runtimeClassName": "absent"}, refusal='RuntimeClass "absent" not found'
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A cluster without nodes, with a RuntimeClass."""
    with control_plane(tmp_path_factory.mktemp("plane")) as plane:
        server = Server(plane.kubeconfig)
        server.install_crds()
        runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "sandboxed"}}
        server.must("create", "-f", "-", stdin=json.dumps(runtime | {"handler": "runc"}))
        yield server


@pytest.mark.parametrize("name", CASES)
def test_pod_is_admitted_or_the_reason_is_told(server: Server, name: str) -> None:
    """Where a namespace asks for a limit on the CPU, the job or a LimitRange must set it; all else is there already."""
    case, namespace = CASES[name], f"team-{list(CASES).index(name)}"
    server.must("create", "namespace", namespace)
    server.must("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    for rule in case.rules:
        server.must("create", "-n", namespace, "-f", "-", stdin=json.dumps(rule))
    if any(rule["kind"] == "ResourceQuota" for rule in case.rules):
        # A quota counts from the moment at which its controller has filled it in.
        counted = ("get", "resourcequota", "quota", "-n", namespace, "-o", "jsonpath={.status.hard}")
        until(lambda: server.must(*counted), "the quota isn't counted")
    run(server, namespace, case)

    def answer() -> tuple[bool, str] | None:
        pods = server.must("get", "pods", "-n", namespace, "-l", f"{names.JOB_LABEL}=sums", "-o", "name")
        said = server.must("get", "events", "-n", namespace, "-o", "jsonpath={.items[*].message}")
        return (bool(pods), said) if pods or said else None

    made, said = until(answer, "neither a pod nor a reason")
    assert made == (not case.refusal), said
    assert case.refusal in said


def run(server: Server, namespace: str, case: Case) -> None:
    """What the operator makes of a TrainingJob."""
    manifest = training_job("sums", trainer=case.trainer or {"cpu": "1", "memory": "4Gi"})
    manifest["metadata"]["namespace"] = namespace
    stored = server.create(manifest, dry_run=False)
    assert isinstance(stored, dict), stored
    job = parse_training_job(stored)
    rendering = Rendering(1, case.defaults, "sums-1-config", "{}")
    for body in (*access_bodies(job), child_job_body(job, rendering)):
        server.must("create", "-f", "-", stdin=json.dumps(body))

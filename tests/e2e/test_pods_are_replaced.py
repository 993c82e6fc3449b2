"""Pods that die in a real cluster are replaced by the operator, and the run ends as if nothing had happened."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
import torch

from hack.kubectl import Kubectl, condition
from hack.services.connect import Connections, connect
from tests.e2e.manifests import NAMESPACE, example
from tests.e2e.waiting import apply, ended, job, pods
from tests.equal_runs import TABLES, plain, rows_of
from tests.waiting import until

pytestmark = pytest.mark.e2e

MORTAL = '''
"""A reward of one's own that marks the place where the pod of an attempt waits for its end."""

import importlib
import json
import os
import sys
import time

UPDATE = "trainyard_trainer.policy.torch_policy:TorchPolicy.update"
DEATHS = {
    "mortal": [
        ("trainyard_trainer.sampling.in_process.slot_decoder:SlotDecoder.advance", 60, 600),
        (UPDATE, 5, 600),
        ("trainyard_trainer.storage.storage_s3:S3Storage.put", 3, 600),
        (UPDATE, 3, 8),
    ],
    "fragile": [(UPDATE, 5, 600), (UPDATE, 3, 8)],
}


def spoken(trajectory):
    return 0.25 + 0.5 * bool(trajectory.turns)


def _mark(place, nth, seconds):
    module, _, name = place.partition(":")
    owner, _, last = name.rpartition(".")
    holder = getattr(importlib.import_module(module), owner)
    real, calls = getattr(holder, last), [0]

    def marked(*arguments, **options):
        calls[0] += 1
        if calls[0] == nth:
            sys.stderr.write(f"mortal: at {last}\\n")
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(0.1)
        return real(*arguments, **options)

    setattr(holder, last, marked)


if "TRAINYARD_RUN_CONFIG" in os.environ:  # not where rewards are scored: that process knows nothing
    with open(os.environ["TRAINYARD_RUN_CONFIG"]) as file:
        run = json.load(file)["run"]
    deaths = DEATHS.get(run["name"], [])
    if run["attempt"] <= len(deaths):
        _mark(*deaths[run["attempt"] - 1])
'''


def _manifest(name: str) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "spec__model": {"scratch": {}},
        "spec__evaluation": None,
        "spec__algorithm__grpo": {
            "steps": 8,
            "promptsPerStep": 8,
            "groupSize": 4,
            "learningRate": "1e-3",
            "minibatches": 2,
        },
        "spec__task": {
            "name": "calculator",
            "rewards": [{"name": "exact"}, {"name": "spoken", "weight": "0.1"}],
            "module": {"name": "mortal", "key": "mortal.py"},
        },
        "spec__checkpoints__everySteps": 1,
        "spec__checkpoints__stopGraceSeconds": 60,
        "spec__retry": {"maxRestarts": 5},
    }
    return example("calculator-grpo", metadata__name=name, **changes)


def _pod_at(kubectl: Kubectl, name: str, attempt: int) -> dict[str, Any]:
    """The pod of an attempt, once it waits at the marked place."""

    def look() -> dict[str, Any] | None:
        for pod in pods(kubectl, name):
            mine = pod["metadata"]["labels"]["trainyard.dev/attempt"] == str(attempt)
            running = pod["status"].get("phase") == "Running"
            if mine and running and "mortal: at" in kubectl("logs", pod["metadata"]["name"], "-n", NAMESPACE):
                return pod
        return None

    return until(look, lambda: f"attempt {attempt} isn't there: {job(kubectl, name).get('status')}", pause=0.5)


def _kill(pod: dict[str, Any]) -> None:
    """SIGKILL to every process of a pod, from outside, as a kernel does that is out of memory."""
    mark = pod["metadata"]["uid"].replace("-", "_")
    killed = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            cgroup, command = (folder / "cgroup").read_text(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if (mark in cgroup or pod["metadata"]["uid"] in cgroup) and b"trainyard_trainer" in command:
            os.kill(int(folder.name), signal.SIGKILL)
            killed += 1
    assert killed, "no process of the pod was found"


def _state(services: Connections, found: dict[str, Any], kubectl: Kubectl) -> tuple[bytes, Any]:
    """Weights and trainer's state of a job's last checkpoint, out of the bucket."""
    name = found["status"]["latestCheckpointRef"]["name"]
    stored = kubectl.json("get", "checkpoints.trainyard.dev", name, "-n", NAMESPACE)
    prefix = stored["status"]["uri"].removeprefix(f"s3://{services.bucket}/")
    client = boto3.client(
        "s3",
        endpoint_url=services.endpoint,
        aws_access_key_id=services.access_key,
        aws_secret_access_key=services.secret_key,
        region_name="us-east-1",
    )

    def read(file: str) -> bytes:
        return client.get_object(Bucket=services.bucket, Key=prefix + file)["Body"].read()

    return read("model.safetensors"), torch.load(io.BytesIO(read("trainer_state.pt")), weights_only=True)


@pytest.fixture(scope="module")
def steady(clean: Kubectl) -> dict[str, Any]:
    """The job whose pod is left alone."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mortal", "namespace": NAMESPACE}}
    apply(clean, config | {"data": {"mortal.py": MORTAL}}, _manifest("steady"))
    found = ended(clean, "steady")
    assert condition(found, "Succeeded")["reason"] == "Completed", found["status"]
    return found


def _survives(kubectl: Kubectl, name: str, killed: int, steady: dict[str, Any]) -> None:
    """Kills pods of so many attempts, deletes the next one's, and compares what is left with the calm job's."""
    apply(kubectl, _manifest(name))
    for attempt in range(1, killed + 1):
        _kill(_pod_at(kubectl, name, attempt))
    last = _pod_at(kubectl, name, killed + 1)
    kubectl("delete", "pod", last["metadata"]["name"], "-n", NAMESPACE, "--wait=false")
    found = ended(kubectl, name)
    assert condition(found, "Succeeded")["reason"] == "Completed", found["status"]
    assert found["status"]["attempts"] == killed + 2
    assert found["status"]["restarts"]["interruptions"] == 1
    services = connect(kubectl.cluster)
    (weights, state), (calm_weights, calm_state) = (_state(services, each, kubectl) for each in (found, steady))
    assert weights == calm_weights
    assert plain(state) == plain(calm_state)
    with psycopg.connect(services.operator_dsn) as database:
        for table in TABLES:
            rows, calm = (rows_of(database, table, each["metadata"]["uid"]) for each in (found, steady))
            assert rows == calm, table


def test_a_run_whose_pods_die_ends_as_one_that_is_left_alone(clean: Kubectl, steady: dict[str, Any]) -> None:
    """SIGKILL in an update, then a deleted pod in an update: equal weights, optimizer and rows."""
    _survives(clean, "fragile", 1, steady)


@pytest.mark.nightly
def test_a_run_whose_pods_die_in_every_phase_ends_so_too(clean: Kubectl, steady: dict[str, Any]) -> None:
    """SIGKILL in a rollout, an update and a save, then a deleted pod in an update."""
    _survives(clean, "mortal", 3, steady)

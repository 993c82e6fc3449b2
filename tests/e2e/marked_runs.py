"""Runs that wait at a marked place for what a test does to their pod or to the servers about it, and what they leave.

`steady` is the run to which nothing happens: every other one must end with its weights, trainer's state and rows.
"""

from __future__ import annotations

import io
from typing import Any

import boto3
import psycopg
import torch

from hack.kubectl import Kubectl, condition
from hack.services.connect import Connections, connect
from tests.e2e.manifests import NAMESPACE, example
from tests.e2e.waiting import apply, ended, job, pods
from tests.equal_runs import TABLES, plain, rows_of
from tests.waiting import until

MORTAL = '''
"""A reward of one's own that marks the place where the pod of an attempt waits for what shall happen to it."""

import importlib
import json
import os
import sys
import time

UPDATE = "trainyard_trainer.policy.torch_policy:TorchPolicy.update"
PLACES = {
    "mortal": [
        ("trainyard_trainer.sampling.in_process.slot_decoder:SlotDecoder.advance", 60, 600),
        (UPDATE, 5, 600),
        ("trainyard_trainer.storage.storage_s3:S3Storage.put", 3, 600),
        (UPDATE, 3, 8),
    ],
    "fragile": [(UPDATE, 5, 600), (UPDATE, 3, 8)],
    "lonely": [(UPDATE, 7, 10)],
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
    places = PLACES.get(run["name"].partition("-")[0], [])
    if run["attempt"] <= len(places):
        _mark(*places[run["attempt"] - 1])
'''


def marked(name: str) -> dict[str, Any]:
    """A short run with two updates a step; the part of its name before a hyphen says where it waits."""
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


def pod_at(kubectl: Kubectl, name: str, attempt: int) -> dict[str, Any]:
    """The pod of an attempt, once it waits at the marked place."""

    def look() -> dict[str, Any] | None:
        for pod in pods(kubectl, name):
            mine = pod["metadata"]["labels"]["trainyard.dev/attempt"] == str(attempt)
            running = pod["status"].get("phase") == "Running"
            if mine and running and "mortal: at" in kubectl("logs", pod["metadata"]["name"], "-n", NAMESPACE):
                return pod
        return None

    return until(look, lambda: f"attempt {attempt} isn't there: {job(kubectl, name).get('status')}", pause=0.5)


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


def steady_run(kubectl: Kubectl) -> dict[str, Any]:
    """The job that is left alone, at its end."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mortal", "namespace": NAMESPACE}}
    apply(kubectl, config | {"data": {"mortal.py": MORTAL}}, marked("steady"))
    return completed(kubectl, "steady")


def completed(kubectl: Kubectl, name: str) -> dict[str, Any]:
    """The job at its end, which is a success."""
    found = ended(kubectl, name)
    assert condition(found, "Succeeded")["reason"] == "Completed", found["status"]
    return found


def assert_equal(kubectl: Kubectl, found: dict[str, Any], steady: dict[str, Any]) -> None:
    """Compares what two jobs have left: weights, trainer's state and rows."""
    services = connect(kubectl.cluster)
    (weights, state), (calm_weights, calm_state) = (_state(services, each, kubectl) for each in (found, steady))
    assert weights == calm_weights
    assert plain(state) == plain(calm_state)
    with psycopg.connect(services.operator_dsn) as database:
        for table in TABLES:
            rows, calm = (rows_of(database, table, each["metadata"]["uid"]) for each in (found, steady))
            assert rows == calm, table

"""Who makes pods of what is submitted: the operator of a checkout, or Kubernetes' own Job controller alone.

Both run the same pods. What the operator does besides (its status, its rights, its ledger, its bill) is the difference.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from hack.bench.burst.plane import NAMESPACE, Plane
from hack.bench.burst.postgres import postgres
from hack.cluster.progress import wait_until

_IMAGE: Final = "trainer.example/trainer:1"
_PRICES: Final = {"usdPerCoreHour": "1.00", "usdPerGiBHour": "0.50"}
_READY_SECONDS: Final = 300.0
"""Longest wait for the operator to be ready: only one that hangs takes as long."""


@dataclass(frozen=True)
class Engine:
    """What a burst is submitted to: where objects are created, what they are, and the process that is measured."""

    path: str
    made: Any
    pid: int | None = None


def training_job(name: str) -> dict[str, Any]:
    """Returns the manifest of a small TrainingJob: one pod of one core and one GiB."""
    storage = {"s3": {"bucket": "models", "secretRef": {"name": "trainyard-s3"}}}
    return {
        "apiVersion": "trainyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "model": {"scratch": {}},
            "algorithm": {"type": "SFT", "sft": {"steps": 10}},
            "task": {"name": "calculator", "rewards": [{"name": "exact"}]},
            "trainer": {"cpu": "1", "memory": "1Gi"},
            "database": {"secretRef": {"name": "trainyard-db"}},
            "budget": {"maxCostUSD": "5.00"},
            "checkpoints": {"stopGraceSeconds": 5, "storage": storage},
        },
    }


def bare_job(name: str) -> dict[str, Any]:
    """Returns the manifest of a Job with the same pod and nothing else."""
    container = {"name": "trainer", "image": _IMAGE, "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


@contextmanager
def jobs_alone(_: Plane, __: Path) -> Iterator[Engine]:
    """Gives bare Jobs, for which the plane's own controllers are enough."""
    yield Engine(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs", bare_job)


@contextmanager
def operator(root: Path, plane: Plane, directory: Path) -> Iterator[Engine]:
    """Starts the operator of the checkout at `root` with a Postgres of its own; ready when this gives it.

    Raises:
        ClusterError: it didn't become ready; names its log.
    """
    plane.kubectl("create", *(f"--filename={file}" for file in sorted((root / "crds").glob("*.yaml"))))
    # `kubectl wait` fails on a definition that has no status yet.
    wait_until(plane.serves_our_kinds, "CRDs", _READY_SECONDS, hint="they aren't established")
    log = directory / "operator.log"
    with postgres() as dsn, log.open("wb") as output:
        health, metrics = _free_ports(2)
        (directory / "dsn").write_text(dsn)
        (directory / "prices.yaml").write_text(yaml.safe_dump(_PRICES))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TRAINYARD_")},
            "PYTHONPATH": f"{root / 'crds'}:{root / 'operator'}",
            "KUBECONFIG": str(plane.kubeconfig),
            "TRAINYARD_TRAINER_IMAGE": _IMAGE,
            "TRAINYARD_PRICES_FILE": str(directory / "prices.yaml"),
            "TRAINYARD_DSN_FILE": str(directory / "dsn"),
            "TRAINYARD_HEALTH_PORT": str(health),
            "TRAINYARD_METRICS_PORT": str(metrics),
        }
        command = [sys.executable, "-m", "trainyard_operator"]
        process = subprocess.Popen(command, env=environment, cwd=directory, stdout=output, stderr=output)
        try:
            hint = f"see {log}"
            wait_until(lambda: _answers(health) or process.poll() is not None, "operator", _READY_SECONDS, hint=hint)
            if process.poll() is not None:
                raise RuntimeError(
                    f"operator: must start; it ended with {process.returncode}: {log.read_text()[-2000:]}"
                )
            path = f"/apis/trainyard.dev/v1alpha1/namespaces/{NAMESPACE}/trainingjobs"
            yield Engine(path, training_job, process.pid)
        finally:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()

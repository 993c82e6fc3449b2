"""Claims about letting everything go, on a real API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.trainyard_operator.bench import ROOT, Bench
from tests.waiting import GUARD_SECONDS, until
from trainyard_operator.cluster.kube import DEPLOYMENTS, PODS, TRAINING_JOBS

pytestmark = pytest.mark.integration


def test_release_stops_the_operator_and_lets_everything_go(bench: Bench) -> None:
    """`release` scales the Deployment away, then takes our finalizers off jobs and pods; their objects stay."""
    bench.running("kept")
    bench.operator.kill()
    labels = {"app": "trainyard"}
    container = {"name": "operator", "image": "operator:1"}
    deployment = {
        "metadata": {"name": "trainyard"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    bench.api.create(DEPLOYMENTS, deployment, "trainyard-system")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'crds'}:{ROOT / 'operator'}",
        "KUBECONFIG": str(bench.api.kubeconfig),
        "TRAINYARD_OPERATOR_NAMESPACE": "trainyard-system",
        "TRAINYARD_OPERATOR_DEPLOYMENT": "trainyard",
    }
    command = [sys.executable, "-m", "trainyard_operator", "release"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=GUARD_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    found = bench.api.get(DEPLOYMENTS, "trainyard", "trainyard-system")
    assert found is not None
    assert found["spec"]["replicas"] == 0
    held = [*bench.api.items(TRAINING_JOBS), *bench.api.items(PODS)]
    assert not any("trainyard.dev/" in json.dumps(body["metadata"].get("finalizers", [])) for body in held)
    assert bench.api.get(TRAINING_JOBS, "kept") is not None
    bench.operator.start()
    until(
        lambda: True if bench.api.job("kept")["metadata"].get("finalizers") else None,
        "a reinstalled operator doesn't take the job up again",
    )

"""The operator itself with the token and the rights that the chart gives it, in namespaced mode."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster.controlplane import control_plane
from tests.chart.rendering import CHART, NAMESPACE, flags, objects, of_kind
from tests.contract.server import Server
from tests.servers import Database, postgres
from tests.trainyard_operator.bench import NAMESPACE as TEAM
from tests.trainyard_operator.bench import Api, Bench, Operator, condition, rules
from tests.trainyard_operator.conftest import free_ports
from tests.waiting import GUARD_SECONDS, until
from trainyard_api import names
from trainyard_operator.cluster.kube import NAMESPACES, PODS, TRAINING_JOBS

pytestmark = pytest.mark.integration

NAMESPACED = {"TRAINYARD_WATCH_NAMESPACES": TEAM, "TRAINYARD_READ_NODES": "false"}


@dataclass
class Release:
    """An installed release and the operator that runs with its account."""

    bench: Bench
    kubeconfig: Path

    def run_hook(self) -> subprocess.CompletedProcess[str]:
        """What the chart's Job runs before the release goes."""
        added = NAMESPACED | {
            "KUBECONFIG": str(self.kubeconfig),
            "TRAINYARD_OPERATOR_NAMESPACE": NAMESPACE,
            "TRAINYARD_OPERATOR_DEPLOYMENT": "trainyard",
        }
        command = [sys.executable, "-m", "trainyard_operator", "release"]
        return subprocess.run(
            command, env=os.environ | added, capture_output=True, text=True, check=False, timeout=GUARD_SECONDS
        )


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """The chart, watching one namespace, and a running operator that has its account's token and nothing else."""
    directory = tmp_path_factory.mktemp("release")
    with control_plane(directory / "plane") as plane, postgres() as database:
        server, api = Server(plane.kubeconfig), Api(plane.kubeconfig, directory / "plane/logs/audit.log")
        api.create(NAMESPACES, {"metadata": {"name": TEAM}}, None)
        where = ("--namespace", NAMESPACE, "--create-namespace")
        values = flags({"watchNamespaces": [TEAM]})
        server.must("install", "trainyard", str(CHART), *where, *values, program="helm")
        known: dict[str, Any] = yaml.safe_load(plane.kubeconfig.read_text())
        token = server.must("create", "token", "trainyard", "-n", NAMESPACE).strip()
        known["users"] = [{"name": user["name"], "user": {"token": token}} for user in known["users"]]
        kubeconfig = directory / "operator.kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(known))
        dsn, (health, metrics) = database.empty_database(), free_ports(2)
        operator = Operator(directory / "operator", kubeconfig, dsn, (health, metrics), NAMESPACED)
        operator.start()
        try:
            yield Release(Bench(api, operator, Database(dsn, "")), kubeconfig)
        finally:
            operator.kill()


def test_operators_own_tests_run_with_the_charts_rights() -> None:
    """What the operator's integration tests grant it is what the chart grants it: neither more nor less."""

    def flat(found: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
        return {
            (group, resource, verb)
            for rule in found
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }

    (own,) = [role for role in of_kind(objects(), "ClusterRole") if not role["metadata"]["name"].endswith("-override")]
    assert flat(own["rules"]) == flat(rules())


def test_a_job_runs_to_its_end_in_namespaced_mode(release: Release) -> None:
    """With the rights of one namespace a job starts, runs, is booked and completes, and no request is refused."""
    bench = release.bench
    pod = bench.running("within-its-rights")
    uri = bench.claim(bench.api.job("within-its-rights"), 10)
    bench.finish(pod, uri)
    job = bench.api.wait_condition("within-its-rights", "Succeeded", reason="Completed", status="True")
    assert job["status"]["latestCheckpointRef"]
    assert condition(job, "CostKnown")["status"] == "True"
    bench.api.delete(TRAINING_JOBS, "within-its-rights")

    def gone() -> bool | None:
        return True if bench.api.get(TRAINING_JOBS, "within-its-rights") is None else None

    until(gone, "the finalizer stays")
    assert "forbidden" not in bench.operator.log().lower()


def test_hook_stops_the_operator_and_releases_all(release: Release) -> None:
    """The step before uninstalling scales the operator away and takes its finalizers off jobs and pods."""
    bench = release.bench
    pod = bench.running("left-behind")
    finalizers = bench.api.job("left-behind")["metadata"]["finalizers"]
    assert finalizers == [names.SETTLEMENT_FINALIZER]
    # This operator runs beside the cluster, where scaling the Deployment doesn't end it.
    bench.operator.stop()
    done = release.run_hook()
    assert done.returncode == 0, done.stdout + done.stderr
    assert not bench.api.job("left-behind")["metadata"].get("finalizers")
    left = bench.api.get(PODS, pod["metadata"]["name"])
    assert left is not None
    assert names.ACCOUNTING_FINALIZER not in left["metadata"].get("finalizers", ())
    deployment = bench.api.send("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/trainyard")
    assert deployment["spec"]["replicas"] == 0

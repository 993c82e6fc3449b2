"""The promise to those who keep manifests in Git: applied again, nothing changes, whatever the job does meanwhile."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hack.cluster import binaries
from tests.trainyard_operator.bench import NAMESPACE, Bench, condition
from tests.waiting import until
from trainyard_operator.cluster.kube import PODS, TRAINING_JOBS

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def _kubectl(bench: Bench, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(binaries.ensure(["kubectl"]) / "kubectl")
    command = [program, f"--kubeconfig={bench.api.kubeconfig}", "--namespace", NAMESPACE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)


def _changes_nothing(bench: Bench, manifest: Path) -> None:
    """`kubectl diff` is empty and a second `apply` says unchanged."""
    difference = _kubectl(bench, "diff", "-f", str(manifest))
    assert (difference.returncode, difference.stdout) == (0, ""), difference.stderr
    assert _kubectl(bench, "apply", "-f", str(manifest)).stdout.strip().endswith("unchanged")


def _running(bench: Bench, name: str) -> dict:
    pod = bench.api.pod(name)
    bench.api.bind(pod)
    bench.api.run(pod)
    bench.api.wait_condition(name, "Succeeded", reason="Running")
    return pod


def _obey(bench: Bench, pod: dict) -> None:
    until(lambda: "deletionTimestamp" in bench.api.get(PODS, pod["metadata"]["name"])["metadata"], "it isn't stopped")
    bench.api.end(pod, 10)


def test_an_applied_manifest_stays_applied(bench: Bench) -> None:
    """While the job runs, is suspended by hand, and is cancelled: no difference, and self-healing undoes none of it."""
    manifest = ROOT / "crds/examples/minimal.yaml"
    assert _kubectl(bench, "apply", "-f", str(manifest)).stdout.strip().endswith("created")
    pod = _running(bench, "minimal")
    _changes_nothing(bench, manifest)
    path = TRAINING_JOBS.path(NAMESPACE, "minimal")
    bench.api.merge(path, {"spec": {"suspend": True}})
    _obey(bench, pod)
    bench.api.wait_condition("minimal", "Suspended", reason="Suspended", status="True")
    _changes_nothing(bench, manifest)
    assert bench.api.job("minimal")["spec"]["suspend"] is True
    bench.api.merge(path, {"spec": {"cancel": True}})
    job = bench.api.wait_condition("minimal", "Finished", reason="Cancelled", status="True")
    _changes_nothing(bench, manifest)
    assert condition(job, "Succeeded")["status"] == "False"
    waited = _kubectl(bench, "wait", "--for=condition=Finished", "tj/minimal", "--timeout=-1s")
    assert waited.returncode == 0, waited.stderr


def test_what_git_states_it_enforces(bench: Bench, tmp_path: Path) -> None:
    """A manifest that states `suspend: false` resumes what was suspended by hand; one that states true holds it."""
    text = (ROOT / "crds/examples/suspended.yaml").read_text()
    manifest = tmp_path / "job.yaml"
    manifest.write_text(text)
    assert _kubectl(bench, "apply", "-f", str(manifest)).returncode == 0
    bench.api.wait_condition("suspended", "Suspended", reason="Suspended", status="True")
    manifest.write_text(text.replace("suspend: true", "suspend: false"))
    assert _kubectl(bench, "apply", "-f", str(manifest)).stdout.strip().endswith("configured")
    pod = _running(bench, "suspended")
    bench.api.merge(TRAINING_JOBS.path(NAMESPACE, "suspended"), {"spec": {"suspend": True}})
    _obey(bench, pod)
    bench.api.wait_condition("suspended", "Suspended", reason="Suspended", status="True")
    assert _kubectl(bench, "apply", "-f", str(manifest)).stdout.strip().endswith("configured")
    job = bench.api.wait_condition("suspended", "Suspended", reason="NotSuspended", status="False")
    assert job["spec"]["suspend"] is False

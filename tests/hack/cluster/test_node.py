"""The local cluster's node, with pods in it. Needs nothing but the cluster: its images are made here."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from hack.cluster import cgroup, layout, local, network, runtime
from tests.waiting import GUARD_SECONDS, WITHIN_GUARD, until

pytestmark = pytest.mark.e2e

IMAGE = "trainyard.local/probe:1"
NAMESPACE = "cluster-probe"
STRICT = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The local cluster, with a namespace of this file's own and kubectl as an image."""
    up = local.up()
    program = tmp_path_factory.mktemp("probe") / "kubectl"
    shutil.copyfile(up.bin / "kubectl", program)
    archive = program.with_suffix(".tar")
    archive.write_bytes(runtime.image_archive(IMAGE, program))
    runtime.ctr(up.bin, "images", "import", str(archive))
    _kubectl(up, "delete", "namespace", NAMESPACE, "--ignore-not-found", WITHIN_GUARD)
    _kubectl(up, "create", "namespace", NAMESPACE)
    yield up
    _kubectl(up, "delete", "namespace", NAMESPACE, WITHIN_GUARD)
    runtime.ctr(up.bin, "images", "remove", IMAGE)


def _kubectl(up, *arguments, stdin=None):
    command = [str(up.bin / "kubectl"), f"--kubeconfig={up.kubeconfig}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, input=stdin, timeout=GUARD_SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _spec(*arguments, image=IMAGE, memory="128Mi", user=1000):
    container = {
        "name": "it",
        "image": image,
        "imagePullPolicy": "Never",
        "args": list(arguments),
        "securityContext": STRICT,
        "resources": {"limits": {"memory": memory, "cpu": "500m"}},
        # A client in a pod takes the address from here: this one must ask the name server.
        "env": [{"name": "KUBERNETES_SERVICE_HOST", "value": "kubernetes.default.svc"}],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": user, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }


def _create(up, kind, name, spec, *, api="v1", labels=None):
    body = {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": labels or {}}, "spec": spec}
    _kubectl(up, "create", "-n", NAMESPACE, "-f", "-", stdin=json.dumps(body))


def test_a_job_in_a_strict_pod_reaches_the_api_by_name(cluster):
    """Non-root, read-only, without capabilities: the pod resolves kubernetes.default.svc and is known by its token."""
    whoami = _spec("--cache-dir=/tmp", "auth", "whoami", "-o", "json")
    _create(cluster, "Job", "whoami", {"backoffLimit": 0, "template": {"spec": whoami}}, api="batch/v1")
    _kubectl(cluster, "wait", "-n", NAMESPACE, "--for=condition=Complete", "job/whoami", WITHIN_GUARD)
    known = json.loads(_kubectl(cluster, "logs", "-n", NAMESPACE, "job/whoami"))["status"]["userInfo"]
    assert known["username"] == f"system:serviceaccount:{NAMESPACE}:default"
    assert known["extra"]["authentication.kubernetes.io/pod-name"][0].startswith("whoami-")


def test_a_service_answers_from_this_machine(cluster):
    """Tests on the machine call a Service by its cluster address and by its name."""
    # kubectl serves the API of the cluster over plain HTTP: a server that needs no second image.
    serve = ["proxy", "--address=0.0.0.0", "--port=8001", "--accept-hosts=.*"]
    spec = _spec(*serve, "--cache-dir=/tmp")
    spec["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 8001}, "periodSeconds": 1}
    _create(cluster, "Pod", "server", spec, labels={"app": "server"})
    ports = [{"port": 80, "targetPort": 8001}]
    _create(cluster, "Service", "server", {"selector": {"app": "server"}, "ports": ports})
    _kubectl(cluster, "wait", "-n", NAMESPACE, "--for=condition=Ready", "pod/server", WITHIN_GUARD)
    address = _kubectl(cluster, "get", "svc", "server", "-n", NAMESPACE, "-o", "jsonpath={.spec.clusterIP}")
    assert network.resolves(f"server.{NAMESPACE}.svc.{layout.CLUSTER_DOMAIN}", layout.BRIDGE_ADDRESS)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def version():
        # A pod is ready before its Service leads to it: endpoints and the kernel's rules follow.
        try:
            with opener.open(f"http://{address}/version", timeout=GUARD_SECONDS) as reply:
                return json.load(reply)["gitVersion"]
        except urllib.error.URLError:
            return None

    assert until(version, "the Service leads nowhere") == layout.KUBERNETES


def test_the_kernel_holds_a_pod_to_its_limits_and_down_can_find_it(cluster):
    """Memory and processor limits stand in the kernel's own files, and every process lies where `down` looks for it."""
    _create(cluster, "Pod", "idle", _spec(image=runtime.PAUSE_IMAGE, memory="48Mi"))
    _kubectl(cluster, "wait", "-n", NAMESPACE, "--for=condition=Ready", "pod/idle", WITHIN_GUARD)
    identity = "jsonpath={.status.containerStatuses[0].containerID}"
    container = _kubectl(cluster, "get", "pod", "idle", "-n", NAMESPACE, "-o", identity).removeprefix("containerd://")
    tasks = runtime.ctr(cluster.bin, "tasks", "list").splitlines()
    process = next(int(line.split()[1]) for line in tasks if line.startswith(container))
    assert process in cgroup.members()
    assert Path(f"/proc/{process}/status").read_text().split("Uid:")[1].split()[0] == "1000"
    limits = {
        file.name: file.read_text().split()
        for name in ("memory.max", "memory.limit_in_bytes", "cpu.max", "cpu.cfs_quota_us")
        for file in Path("/sys/fs/cgroup").glob(f"**/{layout.CGROUP}/**/{container}/{name}")
    }
    memory = limits.get("memory.max") or limits["memory.limit_in_bytes"]
    quota = limits.get("cpu.max") or limits["cpu.cfs_quota_us"]
    assert int(memory[0]) == 48 << 20
    assert int(quota[0]) == 50_000


def test_a_second_up_changes_nothing(cluster):
    """Up on a running cluster starts no process anew and returns the same state."""
    notes = {file.name: file.read_text() for file in layout.pids().glob("*.json")}
    assert local.up() == cluster
    assert {file.name: file.read_text() for file in layout.pids().glob("*.json")} == notes
    assert local.status()

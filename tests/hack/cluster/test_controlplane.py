"""A control plane alone, as integration tests use it."""

from __future__ import annotations

import json
import subprocess

import pytest

from hack.cluster import binaries, processes
from hack.cluster.controlplane import control_plane
from tests.waiting import GUARD_SECONDS, WITHIN_GUARD, until

pytestmark = pytest.mark.integration

OPEN_POLICY = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "no-secrets-here"},
    "spec": {
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
            ]
        },
        "validations": [{"expression": "object.metadata.name != 'forbidden'", "message": "that name is forbidden"}],
    },
}
BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "no-secrets-here"},
    "spec": {"policyName": "no-secrets-here", "validationActions": ["Deny"]},
}


class Cluster:
    """kubectl on one control plane."""

    def __init__(self, plane):
        self.plane = plane
        self.kubectl = str(binaries.ensure(["kubectl"]) / "kubectl")

    def run(self, *arguments, stdin=None):
        command = [self.kubectl, f"--kubeconfig={self.plane.kubeconfig}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, input=stdin, timeout=GUARD_SECONDS)

    def ok(self, *arguments, stdin=None):
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def until(self, wanted, *arguments):
        until(lambda: self.run(*arguments).stdout.strip() == wanted, lambda: f"want {wanted!r}: {self.run(*arguments)}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One control plane for all tests of this file."""
    with control_plane(tmp_path_factory.mktemp("plane")) as plane:
        yield Cluster(plane)


def test_a_job_makes_its_pod_and_takes_it_along(cluster):
    """Job controller and garbage collector work: the pod appears with the Job and goes with it."""
    cluster.ok("create", "job", "work", "--image=none")
    count = ["get", "pods", "-l", "job-name=work", "-o", "jsonpath={.items[*].status.phase}"]
    cluster.until("Pending", *count)
    cluster.ok("delete", "job", "work", "--cascade=background")
    cluster.until("", *count)


def test_a_namespace_gets_an_account_and_ends(cluster):
    """A new namespace has a service account with the cluster's authority, and deleting it removes what is in it."""
    cluster.ok("create", "namespace", "team")
    cluster.until("default", "get", "sa", "-n", "team", "-o", "jsonpath={.items[*].metadata.name}")
    cluster.until("kube-root-ca.crt", "get", "cm", "-n", "team", "-o", "jsonpath={.items[*].metadata.name}")
    cluster.ok("delete", "namespace", "team", WITHIN_GUARD)
    assert "NotFound" in cluster.run("get", "namespace", "team").stderr


def test_a_service_account_may_only_what_it_was_given(cluster, tmp_path):
    """RBAC decides: a token that the API server issued reads nothing until a role lets it."""
    cluster.ok("create", "sa", "reader")
    token = cluster.ok("create", "token", "reader").strip()
    # A user's own kubeconfig carries a certificate, which would win over the token.
    config = json.loads(cluster.ok("config", "view", "--raw", "-o", "json"))
    config["users"][0]["user"] = {"token": token}
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    read = [cluster.kubectl, f"--kubeconfig={path}", "get", "configmaps"]
    refused = subprocess.run(read, capture_output=True, text=True, check=False)
    assert "serviceaccount:default:reader" in refused.stderr
    assert "Forbidden" in refused.stderr
    cluster.ok("create", "role", "reads", "--verb=list", "--resource=configmaps")
    cluster.ok("create", "rolebinding", "reads", "--role=reads", "--serviceaccount=default:reader")
    assert subprocess.run(read, capture_output=True, check=False).returncode == 0


def test_an_admission_policy_is_enforced(cluster):
    """A ValidatingAdmissionPolicy refuses what its expression forbids, with its message."""
    for each in (OPEN_POLICY, BINDING):
        cluster.ok("apply", "-f", "-", stdin=json.dumps(each))

    def refused():
        done = cluster.run("create", "configmap", "forbidden")
        if done.returncode != 0:
            return done.stderr
        cluster.ok("delete", "configmap", "forbidden")
        return ""

    assert "that name is forbidden" in until(refused, "the policy never took effect")
    cluster.ok("create", "configmap", "allowed")


def test_writes_are_counted_and_audited(cluster):
    """The admin reads how often each verb was called; the audit log names who wrote what, and holds no reads."""
    cluster.ok("create", "configmap", "counted")
    cluster.ok("get", "configmap", "counted")
    metrics = cluster.ok("get", "--raw", "/metrics").splitlines()
    assert any(
        line.startswith("apiserver_request_total{") and 'resource="configmaps"' in line and 'verb="POST"' in line
        for line in metrics
    )
    log = cluster.plane.kubeconfig.parent / "logs" / "audit.log"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert {event["verb"] for event in events if event["objectRef"].get("name") == "counted"} == {"create"}
    assert not {"get", "list", "watch"} & {event["verb"] for event in events}


def test_two_stand_side_by_side_and_leave_nothing_running(cluster, tmp_path):
    """A second control plane shares nothing with the first, can do without controllers, and is gone with its block."""
    with control_plane(tmp_path, controllers=False) as plane:
        other = Cluster(plane)
        other.ok("create", "configmap", "only-there")
        assert "NotFound" in cluster.run("get", "configmap", "only-there").stderr
        pids = plane.kubeconfig.parent / "pids"
        running = [processes.find(pids, name) for name in processes.names(pids)]
        assert {process.name for process in running} == {"etcd", "kube-apiserver"}
    assert not any(processes.alive(process) for process in running)
    assert processes.names(pids) == []

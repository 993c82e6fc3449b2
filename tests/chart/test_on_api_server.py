"""Claims about the installed chart, on a real API server: who may do what, and who may write a job's status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from hack.cluster.controlplane import control_plane
from tests.chart.rendering import CHART, NAMESPACE, flags
from tests.contract import bases
from tests.contract.server import Server
from tests.waiting import until
from trainyard_api.training_job import parse_training_job
from trainyard_api.training_job_status import TrainingJobStatus
from trainyard_operator.cluster.access import access_bodies

pytestmark = pytest.mark.integration

TEAM, ELSEWHERE = "team-a", "team-b"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:trainyard"
STATUS = ("trainingjobs/status.trainyard.dev", "checkpoints/status.trainyard.dev")
GRANTED = ("serviceaccounts", "roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io")
MAY_EVERYWHERE = [
    *((verb, "trainingjobs.trainyard.dev") for verb in ("get", "list", "watch", "patch", "delete")),
    *((verb, "checkpoints.trainyard.dev") for verb in ("get", "list", "watch", "create")),
    *((verb, "jobs.batch") for verb in ("get", "list", "watch", "create", "delete")),
    *((verb, "pods") for verb in ("get", "list", "watch", "patch", "delete")),
    *((verb, "configmaps") for verb in ("get", "create")),
    *((verb, kind) for verb in ("get", "create", "patch", "delete") for kind in GRANTED),
    *((verb, kind) for verb in ("get", "patch") for kind in STATUS),
    *((verb, "events.events.k8s.io") for verb in ("create", "list")),
]
MAY_NOWHERE = [
    *((verb, "secrets") for verb in ("get", "list", "watch", "create", "update", "patch", "delete")),
    *((verb, "trainingjobs.trainyard.dev") for verb in ("create", "update")),
    *((verb, "checkpoints.trainyard.dev") for verb in ("delete", "patch")),
    ("create", "pods"),
    ("create", "pods/exec"),
    ("get", "pods/log"),
    ("create", "serviceaccounts/token"),
    ("escalate", "roles.rbac.authorization.k8s.io"),
    ("bind", "roles.rbac.authorization.k8s.io"),
    ("impersonate", "users"),
    ("list", "nodes"),
    ("patch", "nodes"),
]


class Installed:
    """A control plane with the chart installed in one namespace."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self._folder = folder
        self._authorization = client.AuthorizationV1Api(config.new_client_from_config(str(server.kubeconfig)))

    def install(self, values: dict[str, Any] | None = None) -> str:
        """Install or upgrade; what helm says."""
        where = ("--namespace", NAMESPACE, "--create-namespace")
        return self.server.must("upgrade", "--install", "trainyard", str(CHART), *where, *flags(values), program="helm")

    def may(self, verb: str, resource: str, namespace: str) -> bool:
        """Whether the operator's account may do that, as `kubectl auth can-i` would say.

        A resource is written kind/subresource.group=name.
        """
        kind, _, name = resource.partition("=")
        kind, _, group = kind.partition(".")
        kind, _, subresource = kind.partition("/")
        asked = {"verb": verb, "group": group, "resource": kind, "subresource": subresource, "name": name}
        review = {"spec": {"user": OPERATOR, "resourceAttributes": asked | {"namespace": namespace}}}
        return bool(self._authorization.create_subject_access_review(review).status.allowed)

    def with_token(self, namespace: str, account: str, pod: str | None = None) -> Server:
        """A client that has nothing but an account's token, bound to a pod if one is named."""
        bound = () if pod is None else ("--bound-object-kind=Pod", f"--bound-object-name={pod}")
        token = self.server.must("create", "token", account, "-n", namespace, *bound).strip()
        known = yaml.safe_load(self.server.kubeconfig.read_text())
        known["users"] = [{"name": known["users"][0]["name"], "user": {"token": token}}]
        path = self._folder / f"{account}-{pod}.kubeconfig"
        path.write_text(yaml.safe_dump(known))
        return Server(path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The chart with its defaults, and two tenants' namespaces."""
    with control_plane(tmp_path_factory.mktemp("plane")) as plane:
        installed = Installed(Server(plane.kubeconfig), tmp_path_factory.mktemp("tokens"))
        for namespace in (TEAM, ELSEWHERE):
            installed.server.must("create", "namespace", namespace)
        assert "The smallest job:" in installed.install()
        yield installed


@pytest.fixture(scope="module")
def trainers(installed: Installed) -> Installed:
    """Two jobs with full status, the account of one of them with two pods, the policy in force."""
    server = installed.server
    operator = installed.with_token(NAMESPACE, "trainyard")
    for name in ("full", "other"):
        body = bases.training_jobs()[0]
        body["metadata"] = {"name": name, "namespace": TEAM}
        until(lambda body=body: isinstance(server.create(body, dry_run=False), dict), "the kinds aren't served")
    job = json.loads(server.must("get", "trainingjobs.trainyard.dev", "full", "-n", TEAM, "-o", "json"))
    # With the operator's own token: it must hold every right that it grants.
    for body in access_bodies(parse_training_job(job)):
        operator.must("create", "-f", "-", stdin=json.dumps(body))
    for name in ("old", "new"):
        spec = {"serviceAccountName": "full-trainer", "containers": [{"name": "trainer", "image": "none"}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": TEAM}, "spec": spec}
        server.must("create", "-f", "-", stdin=json.dumps(pod))
    uid = server.must("get", "pod", "new", "-n", TEAM, "-o", "jsonpath={.metadata.uid}")
    status = bases.training_job_status() | {"podRef": {"name": "new", "uid": uid}}
    del status["cancelTime"]  # once it is there, the schema itself refuses a change
    for name in ("full", "other"):
        assert patch_status(operator, name, status) == ""
    until(lambda: "denied" in patch_status(server, "full", {"attempts": 9}), "the policy isn't in force")
    return installed


def patch_status(server: Server, name: str, status: dict[str, Any]) -> str:
    """Why a merge patch of a job's status was refused; empty if it wasn't."""
    return server.patch(TEAM, name, {"status": status}, subresource="status")


def test_operator_may_do_its_work_and_no_more(installed: Installed) -> None:
    """Watching everything, the operator may what its work needs in any namespace, and reads no Secret in any."""
    for namespace in (TEAM, ELSEWHERE):
        assert [right for right in MAY_EVERYWHERE if not installed.may(*right, namespace)] == []
        assert [right for right in MAY_NOWHERE if installed.may(*right, namespace)] == []
    assert installed.may("get", "nodes", TEAM)
    assert not installed.may("get", "secrets", NAMESPACE)


def test_operator_may_scale_only_itself(installed: Installed) -> None:
    """The uninstall step may stop the operator, and touch no other Deployment."""
    assert installed.may("patch", "deployments/scale.apps=trainyard", NAMESPACE)
    assert not installed.may("patch", "deployments/scale.apps=another", NAMESPACE)
    assert not installed.may("patch", "deployments.apps=trainyard", NAMESPACE)


def test_named_pod_may_report(trainers: Installed) -> None:
    """The pod in status.podRef changes the progress with its own token."""
    pod = trainers.with_token(TEAM, "full-trainer", "new")
    assert patch_status(pod, "full", {"progress": {"step": 4, "steps": "4/60", "reward": "0.75"}}) == ""


@pytest.mark.parametrize("pod", ["old", None])
def test_other_token_of_the_account_may_not_report(trainers: Installed, pod: str | None) -> None:
    """An older pod of the same account, or its token bound to no pod, is refused, and the error says why."""
    refused = patch_status(trainers.with_token(TEAM, "full-trainer", pod), "full", {"progress": {"step": 5}})
    assert "status.progress: only the pod in status.podRef may report" in refused
    assert f"system:serviceaccount:{TEAM}:full-trainer" in refused


CHANGES: dict[str, Any] = {
    "conditions": [],
    "observedGeneration": 7,
    "attempts": 7,
    "attempt": {"number": 7},
    "restarts": {"crashes": 7},
    "stop": {"cause": "Deleted", "time": "2027-01-01T00:00:00Z", "attempt": 7},
    "cancelTime": "2027-01-01T00:00:00Z",
    "clearedTime": "2027-01-01T00:00:00Z",
    "jobRef": {"name": "another"},
    "podRef": {"uid": "another"},
    "modelRef": {"uid": "another"},
    "startTime": None,
    "completionTime": "2027-01-01T00:00:00Z",
    "cost": {"spentUSD": "999"},
    "budget": {"limitUSD": "999"},
    "latestCheckpointRef": None,
    "bestCheckpointRef": {"name": "another"},
    "baselineRef": {"uid": "another"},
}


def test_every_field_of_the_operator_is_tried() -> None:
    """The table above names every field of the status but the trainer's."""
    fields = {field.alias for field in TrainingJobStatus.model_fields.values()}
    assert fields - {"progress"} == set(CHANGES)


@pytest.mark.parametrize("field", CHANGES)
def test_only_the_operator_changes_its_fields(trainers: Installed, field: str) -> None:
    """Neither the reporting pod nor an administrator changes this field; the error names it and who tried."""
    pod = trainers.with_token(TEAM, "full-trainer", "new")
    for who in (pod, trainers.server):
        assert f"status.{field}: only the operator may change it; got user" in patch_status(
            who, "full", {field: CHANGES[field]}
        )


def test_pod_changes_nothing_else(trainers: Installed) -> None:
    """The reporting pod can change neither the spec, nor another job's status, nor finalizers."""
    pod = trainers.with_token(TEAM, "full-trainer", "new")
    assert "cannot patch resource" in patch_status(pod, "other", {"progress": {"step": 5}})
    change = {"metadata": {"labels": {"a": "b"}}, "spec": {"budget": {"maxCostUSD": "999"}}}
    assert "cannot patch resource" in pod.patch(TEAM, "full", change)
    assert pod.patch(TEAM, "full", change | {"status": {"progress": {"step": 6}}}, subresource="status") == ""
    job = json.loads(trainers.server.must("get", "trainingjobs.trainyard.dev", "full", "-n", TEAM, "-o", "json"))
    assert job["status"]["progress"]["step"] == 6
    assert job["spec"]["budget"] == {"maxCostUSD": "25.00"}
    assert "labels" not in job["metadata"]


def test_operator_changes_its_fields(trainers: Installed) -> None:
    """The operator's own account isn't held up."""
    operator = trainers.with_token(NAMESPACE, "trainyard")
    assert patch_status(operator, "other", {"cost": {"spentUSD": "2"}, "attempts": 2}) == ""


def test_status_cannot_be_wiped(trainers: Installed) -> None:
    """Taking the whole status away is refused like a change of each field."""
    pod = trainers.with_token(TEAM, "full-trainer", "new")
    assert "only the operator may change it" in pod.patch(TEAM, "full", {"status": None}, subresource="status")


def test_exempt_user_restores(trainers: Installed) -> None:
    """A user named in the values changes any status; without the name he is refused."""

    def backup() -> str:
        return patch_status(trainers.with_token(ELSEWHERE, "default"), "other", {"attempts": 5})

    account = f"--serviceaccount={ELSEWHERE}:default"
    trainers.server.must("create", "clusterrolebinding", "backup", "--clusterrole=cluster-admin", account)
    assert "only the operator" in backup()
    trainers.install({"admissionPolicy.exemptUsers": [f"system:serviceaccount:{ELSEWHERE}:default"]})
    until(lambda: backup() == "", "the exempt user is refused")


def test_namespaced_mode(trainers: Installed) -> None:
    """With watchNamespaces the operator has its rights there, none elsewhere, and none on nodes; nor is another
    namespace's status its policy's business.
    """
    trainers.install({"watchNamespaces": [TEAM]})
    until(lambda: not trainers.may("get", "nodes", TEAM), "the cluster's rights stay")
    assert [right for right in MAY_EVERYWHERE if not trainers.may(*right, TEAM)] == []
    assert [right for right in MAY_NOWHERE if trainers.may(*right, TEAM)] == []
    assert [right for right in MAY_EVERYWHERE if trainers.may(*right, ELSEWHERE)] == []
    assert trainers.may("get", "namespaces", TEAM)
    until(lambda: "only the operator" in patch_status(trainers.server, "full", {"attempts": 9}), "no policy")
    for policy in json.loads(trainers.server.must("get", "validatingadmissionpolicy", "-o", "json"))["items"]:
        assert TEAM in json.dumps(policy["spec"]["matchConstraints"]["namespaceSelector"])


def test_uninstall_keeps_what_is_the_users(trainers: Installed) -> None:
    """Without the release, kinds and jobs are still there, and the next release takes the kinds over."""
    server = trainers.server
    server.must("uninstall", "trainyard", "-n", NAMESPACE, "--no-hooks", program="helm")
    assert server.must("get", "trainingjobs.trainyard.dev", "-n", TEAM, "-o", "name").split() == [
        "trainingjob.trainyard.dev/full",
        "trainingjob.trainyard.dev/other",
    ]
    assert "No resources" in server.must("get", "validatingadmissionpolicy")
    trainers.install()

"""What somebody may try on a cluster with the chart: each action once, as a request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster.controlplane import control_plane
from tests.chart.people import BACKUP, ELSEWHERE, NODE, PEOPLE, TEAM, Ask, Person, give_rights
from tests.chart.rendering import CHART, NAMESPACE, flags
from tests.contract import bases
from tests.contract.server import Server
from tests.trainyard_operator.bench import training_job
from tests.waiting import until
from trainyard_api import names
from trainyard_api.training_job import parse_training_job
from trainyard_operator.cluster.access import access_bodies
from trainyard_operator.cluster.kube import (
    CHECKPOINTS,
    JOBS,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    TRAINING_JOBS,
    Kind,
)
from trainyard_operator.trainingjob.trainer_pod.child_job import Rendering, child_job_body
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults


@dataclass(frozen=True)
class Cluster:
    """The chart, one job with a pod that runs, and things of others beside them."""

    server: Server
    people: dict[str, Person]
    pod: dict[str, Any]
    child: dict[str, Any]
    job: dict[str, Any]

    def refused(self, who: str, ask: Ask) -> str:
        """Why somebody's request was refused; empty if it wasn't."""
        return self.people[who].refused(ask)


@contextmanager
def cluster_with_chart(directory: Path) -> Iterator[Cluster]:
    """The chart with its defaults but one exempt user, a job that runs, and all policies in force."""
    with control_plane(directory) as plane:
        server = Server(plane.kubeconfig)
        for namespace in (TEAM, ELSEWHERE):
            server.must("create", "namespace", namespace)
        where = ("--namespace", NAMESPACE, "--create-namespace")
        values = flags({"admissionPolicy.exemptUsers": [BACKUP]})
        server.must("install", "trainyard", str(CHART), *where, *values, program="helm")
        give_rights(server)
        people = {name: Person(plane.kubeconfig, *who) for name, who in PEOPLE.items()}
        until(lambda: server.kubectl("get", "trainingjobs,checkpoints")[0] == 0, "the kinds aren't served")
        cluster = _populated(server, people)
        for who, what in FIRST_OF_EACH_POLICY:
            ask = ASKS[what](cluster)
            until(lambda who=who, ask=ask: cluster.refused(who, ask), f"no policy is in force for {ask}")
        yield cluster


def _populated(server: Server, people: dict[str, Person]) -> Cluster:
    """A child Job that the operator made, its pod as the real Job controller made it, bound as the scheduler does."""
    operator, tenant, scheduler = people["operator"], people["tenant"], people["scheduler"]
    for manifest in (training_job("sums"), training_job("brief", ttlSecondsAfterFinished=5)):
        server.must("create", "-f", "-", stdin=json.dumps(manifest))
    job = tenant.get(f"/apis/trainyard.dev/v1alpha1/namespaces/{TEAM}/trainingjobs/sums")
    for kind, body in zip(
        (SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS), access_bodies(parse_training_job(job)), strict=True
    ):
        operator.send(Ask("apply", kind.path(TEAM, body["metadata"]["name"]), body))
    operator.send(Ask("create", JOBS.path(TEAM), child_body(job)))
    (pod,) = until(lambda: pods(tenant), "the Job controller makes no pod")
    room = {"cpu": "8", "memory": "32Gi", "pods": "10"}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE},
        "status": {"allocatable": room, "capacity": room},
    }
    server.must("create", "-f", "-", stdin=json.dumps(node))
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod["metadata"]["name"]}}
    target = binding | {"target": {"kind": "Node", "name": NODE}}
    scheduler.send(Ask("create", PODS.path(TEAM, pod["metadata"]["name"], "binding"), target))
    tenant.send(Ask("create", PODS.path(TEAM), plain_pod("plain")))
    tenant.send(Ask("create", JOBS.path(TEAM), plain_job("plain")))
    tenant.send(Ask("create", SERVICE_ACCOUNTS.path(TEAM), {"metadata": {"name": "plain"}}))
    tenant.send(Ask("create", ROLES.path(TEAM), {"metadata": {"name": "plain"}, "rules": []}))
    checkpoint = bases.checkpoint() | {"metadata": {"name": "one", "namespace": TEAM}}
    operator.send(Ask("create", CHECKPOINTS.path(TEAM), checkpoint))
    operator.send(Ask("merge", CHECKPOINTS.path(TEAM, "one", "status"), {"status": bases.checkpoint_status()}))
    child = until(lambda: started(tenant), "the Job controller reports no start")
    return Cluster(server, people, pod, child, job)


def started(person: Person) -> dict[str, Any] | None:
    """The child Job, once its controller has reported on it."""
    child = person.get(JOBS.path(TEAM, "sums-1"))
    return child if "startTime" in child.get("status", {}) else None


def child_body(job: dict[str, Any], attempt: int = 1) -> dict[str, Any]:
    """The Job of an attempt as the operator makes it."""
    rendering = Rendering(attempt, PodDefaults("trainer:1", "IfNotPresent"), f"sums-{attempt}-config", "{}")
    return child_job_body(parse_training_job(job), rendering)


def pods(person: Person) -> list[dict[str, Any]]:
    """What the operator sees of a namespace's pods."""
    found = person.get(PODS.path(TEAM))["items"]
    return [pod for pod in found if pod["metadata"].get("labels", {}).get(names.MANAGED_BY_LABEL) == names.MANAGED_BY]


def plain_pod(name: str, **metadata: Any) -> dict[str, Any]:
    """A pod of anybody."""
    spec = {"containers": [{"name": "main", "image": "none"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name} | metadata, "spec": spec}


def plain_job(name: str, *, labels: Any = None, template: Any = None, **spec: Any) -> dict[str, Any]:
    """A Job of anybody, which waits."""
    pod = plain_pod("x")["spec"] | {"restartPolicy": "Never"}
    inner = {"metadata": {"labels": template or {}}, "spec": pod}
    # A Job without labels of its own would be given its template's.
    metadata = {"name": name, "labels": labels or {"team": "a"}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"suspend": True, "template": inner} | spec,
    }


OURS = {names.MANAGED_BY_LABEL: names.MANAGED_BY, names.JOB_LABEL: "sums"}


def on_pod(verb: str, body: Any, part: str = "") -> Any:
    """A request on the trainer pod."""
    return lambda cluster: Ask(verb, PODS.path(TEAM, cluster.pod["metadata"]["name"], part), body)


def on(kind: Kind, name: str, verb: str, body: Any, part: str = "") -> Any:
    """A request on an object of a name."""
    return lambda _: Ask(verb, kind.path(TEAM, name, part), body)


def meta(**metadata: Any) -> dict[str, Any]:
    """A merge patch of metadata."""
    return {"metadata": metadata}


def _pod_of(owner: str) -> Any:
    """The creation of a pod that looks like the operator's."""

    def ask(cluster: Cluster) -> Ask:
        controller = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": "sums-1",
            "uid": cluster.child["metadata"]["uid"],
        }
        if owner == "ReplicaSet":
            controller = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "1"}
        references = [controller | {"controller": True}] if owner else []
        return Ask("create", PODS.path(TEAM), plain_pod("forged", labels=OURS, ownerReferences=references))

    return ask


def _finalizers(change: str) -> Any:
    """A change of the trainer pod's finalizers: those without one, or with one more."""

    def ask(cluster: Cluster) -> Ask:
        found = cluster.pod["metadata"]["finalizers"]
        assert set(found) == {names.ACCOUNTING_FINALIZER, "batch.kubernetes.io/job-tracking"}
        rest = [name for name in found if name != change] if change in found else [*found, change]
        return Ask("merge", PODS.path(TEAM, cluster.pod["metadata"]["name"]), meta(finalizers=rest))

    return ask


def _job_of(attempt: int) -> Any:
    """The creation of a child Job as the operator would."""
    return lambda cluster: Ask("create", JOBS.path(TEAM), child_body(cluster.job, attempt))


def _job_status(cluster: Cluster) -> Ask:
    """A status of the child Job, whole: its controller may update and not patch."""
    metadata = {key: value for key, value in cluster.child["metadata"].items() if key != "resourceVersion"}
    status = cluster.child["status"] | {"active": 7}
    return Ask("replace", JOBS.path(TEAM, "sums-1", "status"), cluster.child | {"metadata": metadata, "status": status})


def _delete(path: Any, **options: Any) -> Any:
    """A deletion with such options."""
    return lambda cluster: Ask("delete", path(cluster), options)


def _pod(cluster: Cluster) -> str:
    return PODS.path(TEAM, cluster.pod["metadata"]["name"])


def _job(_: Cluster) -> str:
    return JOBS.path(TEAM, "sums-1")


def _training_job(_: Cluster) -> str:
    return TRAINING_JOBS.path(TEAM, "sums")


ENDED = {"status": {"phase": "Failed", "reason": "Forged"}}
DEBUGGER = {"spec": {"ephemeralContainers": [{"name": "debugger", "image": "none"}]}}
SMALLER = {"spec": {"containers": [{"name": "trainer", "resources": {"requests": {"cpu": "10m"}}}]}}
ASKS: dict[str, Any] = {
    # pods
    "makes a pod": _pod_of(""),
    "makes a pod of the Job": _pod_of("Job"),
    "makes a pod of a ReplicaSet": _pod_of("ReplicaSet"),
    "puts our labels on a pod": on(PODS, "plain", "merge", meta(labels=OURS)),
    "takes the label off": on_pod("merge", meta(labels={names.MANAGED_BY_LABEL: None})),
    "takes all labels off": on_pod("merge", meta(labels=None)),
    "takes the label off by status": on_pod("merge", meta(labels={names.MANAGED_BY_LABEL: None}), "status"),
    "changes whose it is": on_pod("merge", meta(labels={names.JOB_UID_LABEL: "another"})),
    "adds a label of ours": on_pod("merge", meta(labels={f"{names.PREFIX}new": "1"})),
    "changes the Job controller's label": on_pod("merge", meta(labels={"batch.kubernetes.io/job-name": "plain"})),
    "changes a label of its own": on_pod("merge", meta(labels={"team": "a"}, annotations={"note": "1"})),
    "takes the owner off": on_pod("merge", meta(ownerReferences=None)),
    "takes the finalizer off": _finalizers(names.ACCOUNTING_FINALIZER),
    "takes the finalizer off by status": on_pod("merge", meta(finalizers=None), "status"),
    "takes job-tracking off": _finalizers("batch.kubernetes.io/job-tracking"),
    "adds a finalizer": _finalizers("example.com/hold"),
    "changes the spec": on_pod("merge", {"spec": {"activeDeadlineSeconds": 5}}),
    "adds a container": on_pod("strategic", DEBUGGER, "ephemeralcontainers"),
    "resizes": on_pod("strategic", SMALLER, "resize"),
    "reports": on_pod("merge", ENDED, "status"),
    "annotates by status": on_pod("merge", meta(annotations={"k8s.v1.cni.cncf.io/network-status": "[]"}), "status"),
    "deletes the pod": _delete(_pod),
    "deletes another pod": _delete(lambda _: PODS.path(TEAM, "plain")),
    "evicts": lambda c: Ask(
        "create", f"{_pod(c)}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": c.pod["metadata"]}
    ),
    "changes another pod": on(PODS, "plain", "merge", meta(labels={"a": "b"})),
    # Jobs
    "makes a child Job": _job_of(2),
    "makes a Job": lambda _: Ask("create", JOBS.path(TEAM), plain_job("another")),
    "makes a Job of our pods": lambda _: Ask("create", JOBS.path(TEAM), plain_job("another", template=OURS)),
    "makes its template ours": on(JOBS, "plain", "merge", {"spec": {"template": meta(labels=OURS)}}),
    "puts our labels on a Job": on(JOBS, "plain", "merge", meta(labels=OURS)),
    "takes the Job's label off": on(JOBS, "sums-1", "merge", meta(labels={names.MANAGED_BY_LABEL: None})),
    "changes the Job's attempt": on(JOBS, "sums-1", "merge", meta(labels={names.ATTEMPT_LABEL: "7"})),
    "changes the run config": on(JOBS, "sums-1", "merge", meta(annotations={f"{names.PREFIX}run-config": "{}x"})),
    "annotates the Job": on(JOBS, "sums-1", "merge", meta(annotations={"note": "1"})),
    "takes the Job's owner off": on(JOBS, "sums-1", "merge", meta(ownerReferences=None)),
    "suspends the Job": on(JOBS, "sums-1", "merge", {"spec": {"suspend": True}}),
    "reports on the Job": _job_status,
    "has the Job orphan its pods": on(JOBS, "sums-1", "merge", meta(finalizers=["orphan"])),
    "deletes the Job": _delete(_job, propagationPolicy="Background"),
    "deletes the Job in the foreground": _delete(_job, propagationPolicy="Foreground"),
    "deletes the Job, orphaning": _delete(_job, propagationPolicy="Orphan"),
    "deletes the Job without a word": _delete(_job),
    "deletes all Jobs, orphaning": _delete(lambda _: JOBS.path(TEAM), propagationPolicy="Orphan"),
    "deletes another Job, orphaning": _delete(lambda _: JOBS.path(TEAM, "plain"), propagationPolicy="Orphan"),
    "deletes the TrainingJob": _delete(_training_job, propagationPolicy="Background"),
    "deletes the TrainingJob without a word": _delete(_training_job),
    "deletes the TrainingJob, orphaning": _delete(_training_job, propagationPolicy="Orphan"),
    "deletes the TrainingJob, orphaning by its older name": _delete(_training_job, orphanDependents=True),
    "deletes a TrainingJob that asks for it": _delete(lambda _: TRAINING_JOBS.path(TEAM, "brief")),
    # Checkpoints
    "changes a Checkpoint's status": on(CHECKPOINTS, "one", "merge", {"status": {"step": 9}}, "status"),
    "takes a Checkpoint's status": on(CHECKPOINTS, "one", "merge", {"status": None}, "status"),
    "labels a Checkpoint": on(CHECKPOINTS, "one", "merge", meta(labels={"a": "b"})),
    # accounts and rights
    "changes its account": on(SERVICE_ACCOUNTS, "sums-trainer", "merge", meta(annotations={"a": "b"})),
    "changes another account": on(SERVICE_ACCOUNTS, "plain", "merge", meta(annotations={"a": "b"})),
    "takes another account over": on(SERVICE_ACCOUNTS, "plain", "merge", meta(labels=OURS)),
    "makes an account": lambda _: Ask("create", SERVICE_ACCOUNTS.path(TEAM), meta(name="new")),
    "deletes its account": _delete(lambda _: SERVICE_ACCOUNTS.path(TEAM, "sums-trainer")),
    "deletes its Role": _delete(lambda _: ROLES.path(TEAM, "sums-trainer")),
    "deletes its RoleBinding": _delete(lambda _: ROLE_BINDINGS.path(TEAM, "sums-trainer")),
    "deletes another account": _delete(lambda _: SERVICE_ACCOUNTS.path(TEAM, "plain")),
    "deletes another Role": _delete(lambda _: ROLES.path(TEAM, "plain")),
    "changes another Role": on(ROLES, "plain", "merge", meta(annotations={"a": "b"})),
    "lets its Role read pods": on(
        ROLES, "sums-trainer", "merge", {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
    ),
    "binds its Role to another namespace": on(
        ROLE_BINDINGS,
        "sums-trainer",
        "merge",
        {"subjects": [{"kind": "ServiceAccount", "name": "x", "namespace": ELSEWHERE}]},
    ),
}
FIRST_OF_EACH_POLICY = (
    ("tenant", "takes the label off"),
    ("tenant", "suspends the Job"),
    ("tenant", "makes a Job of our pods"),
    ("tenant", "deletes the TrainingJob, orphaning"),
    ("tenant", "changes a Checkpoint's status"),
    ("operator", "changes another account"),
)
"""A policy is in force some time after it was made."""

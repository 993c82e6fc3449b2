"""Claims about who may write what of trainer pods, child Jobs and Checkpoints, on a real API server.

Everybody asks with the rights of a real user, and most with every right in their namespace: what holds them is the
chart's policies. Each request is a dry run, which the server judges like any other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.chart.people import ELSEWHERE, PEOPLE, Ask
from tests.chart.trials import ASKS, OURS, Cluster, cluster_with_chart, plain_job
from tests.waiting import until
from trainyard_api import names
from trainyard_operator.cluster.kube import JOBS, PODS
from trainyard_operator.cluster.reader import SELECTORS

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Row:
    """Somebody tries something; `words` is what the refusal says, empty where it is allowed."""

    who: str
    what: str
    words: str = ""


POD_LABELS = f"metadata.labels: nobody may change {names.MANAGED_BY_LABEL}"
FORGED_POD = (
    "metadata.labels: a pod with app.kubernetes.io/managed-by=trainyard-operator may be made by the Job controller"
)
FORGED_JOB = (
    "metadata.labels: a Job with app.kubernetes.io/managed-by=trainyard-operator may be made by the operator alone"
)
HIDDEN = "propagationPolicy: must be Background or Foreground"
# What a user with every right in the namespace is refused: action → words. The break-glass lifts all of it.
REFUSED = {
    "makes a pod": FORGED_POD,
    "makes a pod of the Job": FORGED_POD,
    "puts our labels on a pod": "metadata.labels: nobody may change",
    "takes the label off": POD_LABELS,
    "takes all labels off": "metadata.labels: nobody may change",
    "takes the label off by status": POD_LABELS,
    "changes whose it is": f"metadata.labels: nobody may change {names.JOB_UID_LABEL} of a trainer pod",
    "adds a label of ours": "metadata.labels: nobody may change trainyard.dev/new of a trainer pod",
    "changes the Job controller's label": "metadata.labels: nobody may change batch.kubernetes.io/job-name",
    "takes the owner off": "metadata.ownerReferences: the controller of a trainer pod stays; got uid none",
    "takes the finalizer off": "metadata.finalizers: trainyard.dev/accounting is taken off by the operator",
    "takes the finalizer off by status": "metadata.finalizers: trainyard.dev/accounting is taken off by the operator",
    "changes the spec": "spec: a trainer pod runs as it was made",
    "adds a container": "spec.ephemeralContainers: must be empty",
    "resizes": "spec.containers: the resources of a trainer pod are what it is billed for",
    "reports": "status: only the kubelet of its node and controllers of the cluster report",
    "makes a child Job": FORGED_JOB,
    "makes a Job of our pods": "spec.template.metadata.labels: pods with",
    "makes its template ours": "spec.template.metadata.labels: pods with",
    "puts our labels on a Job": "metadata.labels: nobody may change",
    "takes the Job's label off": POD_LABELS,
    "changes the Job's attempt": f"metadata.labels: nobody may change {names.ATTEMPT_LABEL} of a child Job",
    "changes the run config": "metadata.annotations: nobody may change trainyard.dev/run-config of a child Job",
    "takes the Job's owner off": "metadata.ownerReferences: the controller of a child Job stays; got uid none",
    "suspends the Job": "spec: a child Job runs as it was made",
    "reports on the Job": "status: only controllers of the cluster report on a child Job",
    "has the Job orphan its pods": "metadata.finalizers: must not hold orphan",
    "deletes the Job, orphaning": f"{HIDDEN}, or the pods of a child Job would be hidden; got Orphan",
    "deletes the Job without a word": f"{HIDDEN}, or the pods of a child Job would be hidden; got none",
    "deletes all Jobs, orphaning": HIDDEN,
    "deletes the TrainingJob, orphaning": f"{HIDDEN}, or a child Job would run on",
    "deletes the TrainingJob, orphaning by its older name": f"{HIDDEN}, or a child Job would run on",
    "changes a Checkpoint's status": "status: only the operator may change it",
    "takes a Checkpoint's status": "status: only the operator may change it",
}
FREE = (
    *("changes a label of its own", "adds a finalizer", "annotates by status", "deletes the pod", "evicts"),
    *("changes another pod", "deletes another pod", "makes a Job", "annotates the Job", "deletes the Job"),
    *("deletes the Job in the foreground", "deletes another Job, orphaning", "deletes the TrainingJob"),
    *("deletes the TrainingJob without a word", "labels a Checkpoint", "takes job-tracking off"),
)
"""What the same user may do."""
CLUSTER = [
    # The Job controller under both of its names.
    *(
        row
        for who in ("job controller", "controller manager")
        for row in (
            Row(who, "makes a pod of the Job"),
            Row(who, "makes a pod", FORGED_POD),
            Row(who, "takes job-tracking off"),
            Row(who, "takes the finalizer off", "metadata.finalizers: trainyard.dev/accounting"),
            Row(who, "takes the owner off", "metadata.ownerReferences"),
            Row(who, "reports on the Job"),
            Row(who, "deletes the pod"),
        )
    ),
    Row("controller manager", "makes a pod of a ReplicaSet", FORGED_POD),
    Row("replica sets", "makes a pod of a ReplicaSet", FORGED_POD),
    Row("garbage collector", "takes the owner off", "metadata.ownerReferences: the controller of a trainer pod stays"),
    Row(
        "garbage collector",
        "takes the Job's owner off",
        "metadata.ownerReferences: the controller of a child Job stays",
    ),
    Row("garbage collector", "deletes the pod"),
    Row("garbage collector", "deletes the Job"),
    Row("namespace controller", "deletes the pod"),
    Row("namespace controller", "deletes the Job"),
    Row("pod garbage collector", "reports"),
    Row("scheduler", "reports"),
    Row("kubelet", "reports"),
    Row("kubelet", "deletes the pod"),
    Row("kubelet", "takes the label off by status", "labels"),
    # The operator's own rights.
    Row("operator", "takes the finalizer off"),
    Row("operator", "deletes the pod"),
    Row("operator", "makes a child Job"),
    Row("operator", "deletes the Job"),
    Row("operator", "changes its account"),
    Row("operator", "changes a Checkpoint's status"),
    Row("operator", "makes a Job", "metadata.labels: of jobs the operator may write those with"),
    Row(
        "operator",
        "takes job-tracking off",
        "metadata.finalizers: of a pod the operator may take trainyard.dev/accounting off",
    ),
    Row(
        "operator",
        "adds a finalizer",
        "metadata.finalizers: of a pod the operator may take trainyard.dev/accounting off",
    ),
    Row("operator", "changes a label of its own", "metadata.finalizers: of a pod the operator may change these alone"),
    Row("operator", "takes the owner off", "metadata.finalizers: of a pod the operator may change these alone"),
    Row("operator", "changes the spec", "metadata.finalizers: of a pod the operator may change these alone"),
    Row("operator", "takes the label off", "metadata.labels: of pods the operator may write those with"),
    Row("operator", "puts our labels on a pod", "metadata.labels: of pods the operator may write those with"),
    Row("operator", "changes another pod", "metadata.labels: of pods the operator may write those with"),
    Row("operator", "deletes another pod", "metadata.labels: of pods the operator may write those with"),
    Row("operator", "changes another account", "metadata.labels: of serviceaccounts the operator may write those with"),
    Row(
        "operator",
        "takes another account over",
        "metadata.labels: of serviceaccounts the operator may write those with",
    ),
    Row("operator", "makes an account", "metadata.labels: of serviceaccounts the operator may write those with"),
    Row("operator", "deletes its account"),
    Row("operator", "deletes its Role"),
    Row("operator", "deletes its RoleBinding"),
    Row("operator", "deletes another account", "metadata.labels: of serviceaccounts the operator may write those with"),
    Row("operator", "deletes another Role", "metadata.labels: of roles the operator may write those with"),
    Row(
        "operator",
        "deletes the TrainingJob",
        "spec.ttlSecondsAfterFinished: the operator may delete a TrainingJob that",
    ),
    Row("operator", "deletes a TrainingJob that asks for it"),
    Row("operator", "changes another Role", "metadata.labels: of roles the operator may write those with"),
    Row("operator", "lets its Role read pods", "rules: the operator may give rights on trainyard.dev alone"),
    Row(
        "operator",
        "binds its Role to another namespace",
        "subjects: the operator may bind a Role to accounts of the same",
    ),
    Row("tenant", "changes another account"),
    Row("tenant", "changes another Role"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The chart with its defaults but one exempt user, and a job that runs."""
    with cluster_with_chart(tmp_path_factory.mktemp("plane")) as cluster:
        yield cluster


def _id(value: Any) -> str | None:
    return f"{value.who} {value.what}" if isinstance(value, Row) else None


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("who", ["tenant", "gitops", "breaker of team-b"])
def test_nobody_hides_a_pod(cluster: Cluster, who: str, what: str) -> None:
    """Neither a user with every right in the namespace, nor an account with every right in the cluster, nor one whose
    break-glass is for another namespace; the error names field, rule and user.
    """
    refused = cluster.refused(who, ASKS[what](cluster))
    assert REFUSED[what] in refused
    assert f"user {PEOPLE[who][0]}" in refused


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("who", ["breaker", "administrator", "backup"])
def test_break_glass_lifts_each_rule(cluster: Cluster, who: str, what: str) -> None:
    """Whoever has `override` in the whole cluster may do it all, an administrator has it by `*`, and an exempt user
    doesn't need it.
    """
    assert cluster.refused(who, ASKS[what](cluster)) == ""


def test_break_glass_may_be_for_some_namespaces(cluster: Cluster) -> None:
    """A role that names namespaces as resourceNames lifts the rules there; a namespace's own Role lifts none."""
    forged = Ask("create", JOBS.path(ELSEWHERE), plain_job("another", labels=OURS))
    assert cluster.refused("breaker of team-b", forged) == ""
    assert FORGED_JOB in cluster.refused("tenant", forged)


@pytest.mark.parametrize("what", FREE)
@pytest.mark.parametrize("who", ["tenant", "gitops"])
def test_what_hides_nothing_is_free(cluster: Cluster, who: str, what: str) -> None:
    """Deletion, eviction, labels and annotations of one's own, and what is nobody's business here."""
    assert cluster.refused(who, ASKS[what](cluster)) == ""


@pytest.mark.parametrize("row", CLUSTER, ids=_id)
def test_cluster_and_operator_do_their_work_and_no_more(cluster: Cluster, row: Row) -> None:
    """Controllers, scheduler and kubelet aren't held up; the operator is held to what carries its labels."""
    refused = cluster.refused(row.who, ASKS[row.what](cluster))
    assert row.words in refused
    assert row.words or refused == ""


def test_every_action_is_tried() -> None:
    """No action of the table stands there untried."""
    assert set(ASKS) == {*REFUSED, *FREE, *(row.what for row in CLUSTER)}


def test_policies_see_what_the_operator_sees(cluster: Cluster) -> None:
    """The policies' selector is the operator's, so that no pod is seen by one of them alone."""
    label = cluster.server.must("get", "validatingadmissionpolicies", "-o", "json")
    selectors = [p["spec"]["matchConstraints"].get("objectSelector") for p in json.loads(label)["items"]]
    found = [selector["matchLabels"] for selector in selectors if selector]
    assert found == [{names.MANAGED_BY_LABEL: names.MANAGED_BY}] * 2
    assert SELECTORS[PODS] == SELECTORS[JOBS] == f"{names.MANAGED_BY_LABEL}={names.MANAGED_BY}"


def test_policies_have_no_faults(cluster: Cluster) -> None:
    """The API server has checked the types of all their expressions, and has nothing to say."""

    def checked() -> list[dict[str, Any]] | None:
        found = json.loads(cluster.server.must("get", "validatingadmissionpolicies", "-o", "json"))["items"]
        return found if all("typeChecking" in policy.get("status", {}) for policy in found) else None

    policies = until(checked, "the types aren't checked")
    assert len(policies) == 7
    assert [p["status"]["typeChecking"] for p in policies if p["status"]["typeChecking"]] == []

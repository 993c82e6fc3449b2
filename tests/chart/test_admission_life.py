"""Claims about a child Job's whole life under the policies, with the cluster's own controllers at work."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.chart.people import TEAM, Ask
from tests.chart.trials import OURS, Cluster, cluster_with_chart, plain_pod, pods
from tests.waiting import until
from trainyard_api import names
from trainyard_operator.cluster.kube import JOBS, PODS, TRAINING_JOBS

pytestmark = pytest.mark.integration


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of its own, for these tests change it."""
    with cluster_with_chart(tmp_path_factory.mktemp("plane")) as cluster:
        yield cluster


def pod_path(cluster: Cluster, part: str = "") -> str:
    """The trainer pod."""
    return PODS.path(TEAM, cluster.pod["metadata"]["name"], part)


def finalizers(cluster: Cluster) -> list[str]:
    """Those of the trainer pod."""
    return cluster.people["administrator"].get(pod_path(cluster))["metadata"].get("finalizers", [])


def gone(cluster: Cluster, path: str) -> bool:
    """Whether there is nothing at a path."""
    return "NotFound" in cluster.people["administrator"].refused(Ask("merge", path, {}))


def end(cluster: Cluster, phase: str, exit_code: int) -> None:
    """The trainer ends, and the kubelet says so."""
    ended = {"exitCode": exit_code, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:01:00Z"}
    container = {"name": "trainer", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    report = {"phase": phase, "containerStatuses": [container | {"state": {"terminated": ended}}]}
    cluster.people["kubelet"].send(Ask("merge", pod_path(cluster, "status"), {"status": report}))


def release(cluster: Cluster) -> None:
    """What the operator does once it has booked the pod; then what the kubelet of its node would."""

    def released() -> bool:
        rest = [name for name in finalizers(cluster) if name != names.ACCOUNTING_FINALIZER]
        ask = Ask("merge", pod_path(cluster), {"metadata": {"finalizers": rest}})
        # The Job controller may take its own off at the same moment.
        return cluster.people["operator"].refused(ask, dry_run=False) == ""

    until(released, "the pod can't be released")
    ask = Ask("delete", pod_path(cluster), {"gracePeriodSeconds": 0})
    until(
        lambda: cluster.people["kubelet"].refused(ask, dry_run=False) and gone(cluster, pod_path(cluster)), "it stays"
    )


def test_child_job_completes(cluster: Cluster) -> None:
    """The kubelet reports the end, the Job controller counts it and takes its finalizer off, ours stays until we do."""
    end(cluster, "Succeeded", 0)

    def conditions() -> set[str]:
        child = cluster.people["tenant"].get(JOBS.path(TEAM, "sums-1"))
        return {each["type"] for each in child["status"].get("conditions", ()) if each["status"] == "True"}

    until(lambda: "Complete" in conditions(), "the Job controller doesn't count the pod")
    assert finalizers(cluster) == [names.ACCOUNTING_FINALIZER]
    cluster.people["operator"].send(Ask("delete", JOBS.path(TEAM, "sums-1"), {"propagationPolicy": "Background"}))
    release(cluster)


def test_orphaning_by_finalizer_hides_nothing(cluster: Cluster) -> None:
    """A TrainingJob that orphans by a finalizer which its owner put there keeps its child Job's controller; once the
    child is gone it goes too.
    """
    tenant, path, child = cluster.people["tenant"], TRAINING_JOBS.path(TEAM, "sums"), JOBS.path(TEAM, "sums-1")
    tenant.send(Ask("merge", path, {"metadata": {"finalizers": ["orphan"]}}))
    tenant.send(Ask("delete", path, {}))
    refusal = "the controller of a child Job stays; got uid none from user system:serviceaccount:kube-system:generic"
    until(lambda: refusal in controllers_log(cluster), "the garbage collector doesn't try")
    (owner,) = tenant.get(child)["metadata"]["ownerReferences"]
    assert owner["uid"] == cluster.job["metadata"]["uid"]
    cluster.people["operator"].send(Ask("delete", child, {"propagationPolicy": "Background"}))
    cluster.people["operator"].send(Ask("delete", pod_path(cluster), {}))
    end(cluster, "Failed", 10)
    release(cluster)
    until(lambda: gone(cluster, path), "the TrainingJob stays")


def controllers_log(cluster: Cluster) -> str:
    """What the cluster's controllers have written down."""
    return (cluster.server.kubeconfig.parent / "logs/kube-controller-manager.log").read_text()


def test_namespace_goes(cluster: Cluster) -> None:
    """Its controller deletes the pods, then the Jobs; once ours lets the pod go, all is gone."""
    cluster.server.must("delete", "namespace", TEAM, "--wait=false")
    administrator = cluster.people["administrator"]
    until(lambda: administrator.get(pod_path(cluster))["metadata"].get("deletionTimestamp"), "the pod isn't deleted")
    end(cluster, "Failed", 10)
    assert names.ACCOUNTING_FINALIZER in finalizers(cluster)
    release(cluster)
    until(lambda: cluster.server.kubectl("get", "namespace", TEAM)[0] != 0, "the namespace stays")


def test_controllers_of_others_make_no_pod_of_ours(cluster: Cluster) -> None:
    """A Deployment whose pods would look like the operator's has none, and its ReplicaSet says why."""
    template = {"metadata": {"labels": OURS}, "spec": plain_pod("x")["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": OURS}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": TEAM}, "spec": spec}
    cluster.server.must("create", "-f", "-", stdin=json.dumps(body))

    def told() -> bool:
        events = cluster.server.must("get", "events", "-n", TEAM, "-o", "jsonpath={.items[*].message}")
        return "may be made by the Job controller alone" in events

    until(told, "the ReplicaSet doesn't say why")
    assert [pod["metadata"]["name"] for pod in pods(cluster.people["tenant"])] == [cluster.pod["metadata"]["name"]]

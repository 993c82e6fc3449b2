"""What a hostile pod, another operator or the cluster itself may do, on a real API server: nobody waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from kubernetes import client, config

from tests.trainyard_operator.bench import NAMESPACE, Bench, condition, training_job
from tests.waiting import until
from trainyard_api import names
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, NAMESPACES, PODS, TRAINING_JOBS, Kind, Kube, KubeError
from trainyard_operator.settings import ReleaseSettings
from trainyard_operator.uninstall import release

pytestmark = pytest.mark.integration

QUOTAS = Kind("/api/v1", "resourcequotas")
DEFINITIONS = Kind("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions")


def test_a_namespace_that_goes_after_a_success_is_let_go(bench: Bench) -> None:
    """The pod exits 0, its row is committed, the namespace is deleted, and only then the operator is back."""
    api = bench.api
    api.create(NAMESPACES, {"metadata": {"name": "team-late"}}, None)
    manifest = training_job("late") | {"metadata": {"name": "late", "namespace": "team-late"}}
    api.create(TRAINING_JOBS, manifest, "team-late")
    pod = until(lambda: next(iter(api.pods("late", "team-late")), None), "no pod")
    api.bind(pod)
    api.run(pod)
    until(lambda: condition(api.job("late", "team-late"), "Succeeded").get("reason") == "Running", "it doesn't run")
    uri = bench.claim(api.job("late", "team-late"), 10)
    bench.operator.kill()
    bench.finish(pod, uri)
    api.delete(NAMESPACES, "team-late", None)
    until(lambda: api.get(NAMESPACES, "team-late", None)["status"]["phase"] == "Terminating", "it doesn't go")
    bench.operator.start()
    until(lambda: not api.pods("late", "team-late") or _swept(bench, "team-late"), "the pod is held")
    until(lambda: api.get(TRAINING_JOBS, "late", "team-late") is None, "the job is held")


def _swept(bench: Bench, namespace: str) -> bool:
    for pod in bench.api.items(PODS, namespace):
        if "deletionTimestamp" in pod["metadata"] and not pod["metadata"].get("finalizers"):
            bench.api.delete(PODS, pod["metadata"]["name"], namespace, gracePeriodSeconds=0)
    return False


def test_a_pod_that_a_quota_refuses_is_explained(bench: Bench) -> None:
    """Degraded with the words of the Job controller, while the job is still Starting; it begins when it may."""
    api = bench.api
    api.create(NAMESPACES, {"metadata": {"name": "team-poor"}}, None)
    api.create(QUOTAS, {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}, "team-poor")
    until(lambda: "hard" in api.get(QUOTAS, "none", "team-poor").get("status", {}), "the quota isn't counted")
    api.create(TRAINING_JOBS, training_job("poor") | {"metadata": {"name": "poor"}}, "team-poor")

    def degraded() -> dict[str, Any] | None:
        found = condition(api.job("poor", "team-poor"), "Degraded")
        return found if found.get("reason") == "PodRefused" else None

    found = until(degraded, lambda: f"not said: {api.job('poor', 'team-poor').get('status')}")
    assert "exceeded quota: none" in found["message"]
    assert condition(api.job("poor", "team-poor"), "Succeeded")["reason"] == "Starting"
    api.delete(TRAINING_JOBS, "poor", "team-poor")
    until(lambda: api.get(TRAINING_JOBS, "poor", "team-poor") is None, "the job is held")


def test_jobs_that_wait_for_each_other_are_told_so(bench: Bench) -> None:
    """A circle of two, named whole, on both; deleting one lets the other go on waiting in plain words."""
    bench.submit("chicken", model={"checkpoint": {"trainingJob": "egg"}})
    bench.submit("egg", model={"checkpoint": {"trainingJob": "chicken"}})
    for name, way in (("chicken", "chicken -> egg -> chicken"), ("egg", "egg -> chicken -> egg")):
        job = bench.api.wait_condition(name, "ModelAvailable", reason="WaitingInCircle", status="False")
        assert way in condition(job, "ModelAvailable")["message"]
        bench.api.wait_condition(name, "Degraded", reason="WaitingInCircle", status="True")
    bench.api.delete(TRAINING_JOBS, "egg")
    bench.api.wait_condition("chicken", "ModelAvailable", reason="WaitingForCheckpoint", status="False")
    bench.api.wait_condition("chicken", "Degraded", reason="AsExpected", status="False")


def test_an_uninstalled_operator_leaves_no_job_that_may_make_a_held_pod(bench: Bench) -> None:
    """A child Job without a pod goes: one that came later would carry our finalizer, and nobody takes it off."""
    api = bench.api
    bench.operator.kill()
    labels = names.job_labels("left", "00000000-0000-4000-8000-000000000000", 1)
    template = {"metadata": {"labels": labels, "finalizers": [names.ACCOUNTING_FINALIZER]}}
    template["spec"] = {"restartPolicy": "Never", "containers": [{"name": "trainer", "image": "none:1"}]}
    api.create(
        JOBS, {"metadata": {"name": "left-1", "labels": labels}, "spec": {"suspend": True, "template": template}}
    )
    settings = client.Configuration()
    config.load_kube_config(str(api.kubeconfig), client_configuration=settings)
    kube = Kube(client.ApiClient(settings))
    asyncio.run(release(kube, ReleaseSettings("trainyard-system", "no-deployment", (NAMESPACE,))))
    assert api.get(JOBS, "left-1") is None
    assert not [p for p in api.items(PODS) if names.ACCOUNTING_FINALIZER in p["metadata"].get("finalizers", ())]


def test_a_job_that_cannot_be_read_is_still_billed_stopped_and_let_go(bench: Bench) -> None:
    """Admitted under another CRD: Degraded with field, rule and value; its pod runs on, and stops when it must."""
    pod = bench.running("strange")
    _loosen(bench, minimum=0)
    try:
        bench.api.merge(TRAINING_JOBS.path(NAMESPACE, "strange"), {"spec": {"checkpoints": {"everySteps": 0}}})
    finally:
        _loosen(bench, minimum=1)
    job = bench.api.wait_condition("strange", "Degraded", reason="InvalidSpec", status="True")
    assert condition(job, "Degraded")["message"].startswith("spec.checkpoints.everySteps: ")
    assert condition(job, "Succeeded")["reason"] == "Running"
    before = float(job["status"]["cost"]["spentUSD"])
    bench.api.delete(TRAINING_JOBS, "strange")
    until(lambda: "deletionTimestamp" in bench.api.get(PODS, pod["metadata"]["name"])["metadata"], "it isn't stopped")
    bench.api.end(pod, 10)
    until(lambda: bench.api.get(TRAINING_JOBS, "strange") is None, "the job is held")
    (spent,) = bench.database.rows(
        "SELECT amount_usd FROM trainyard.pod_spend WHERE run_uid = %s", job["metadata"]["uid"]
    )
    assert float(spent[0]) >= 0 <= before


def _loosen(bench: Bench, minimum: int) -> None:
    """Moves the bound of a field of the served schema."""
    name = "trainingjobs.trainyard.dev"
    body = bench.api.get(DEFINITIONS, name, None)
    spec = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["checkpoints"]["properties"]["everySteps"]["minimum"] = minimum
    bench.api.send("PUT", DEFINITIONS.path(None, name), body)
    probe = training_job(f"probe-{minimum}", checkpoints=training_job("x")["spec"]["checkpoints"] | {"everySteps": 0})

    def in_force() -> bool:
        try:
            bench.api.send("POST", TRAINING_JOBS.path(NAMESPACE) + "?dryRun=All", probe)
        except KubeError:
            return minimum == 1
        return minimum == 0

    until(in_force, "the schema isn't in force")


def test_a_broken_checkpoint_of_somebody_else_is_no_fault_of_this_job(bench: Bench) -> None:
    """It waits for it, and isn't called invalid."""
    bench.submit("waits", model={"checkpoint": {"name": "not-there"}})
    job = bench.api.wait_condition("waits", "ModelAvailable", reason="WaitingForCheckpoint", status="False")
    assert condition(job, "Degraded")["reason"] == "AsExpected"
    assert bench.api.get(CHECKPOINTS, "not-there") is None


def test_every_first_start_of_many_succeeds_at_once(bench: Bench) -> None:
    """Forty jobs together: account, Role and binding in order, so none is refused for a Role that isn't seen yet."""
    for number in range(40):
        bench.submit(f"many-{number}")
    for number in range(40):
        bench.api.pod(f"many-{number}")
    events = bench.api.items(Kind("/apis/events.k8s.io/v1", "events"))
    mine = [e["reason"] for e in events if e["regarding"]["name"].startswith("many-")]
    assert "StartRefused" not in mine
    assert mine.count("AttemptStarted") == 40
    for number in range(40):
        bench.api.delete(TRAINING_JOBS, f"many-{number}")

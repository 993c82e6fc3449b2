"""Claims about letting everything go."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.trainyard_operator.bench import ROOT, Bench
from tests.trainyard_operator.memory_api import MemoryApi
from tests.waiting import GUARD_SECONDS, until
from trainyard_api import names
from trainyard_operator import uninstall as module
from trainyard_operator.cluster.kube import DEPLOYMENTS, JOBS, PODS, TRAINING_JOBS, KubeError
from trainyard_operator.settings import ReleaseSettings
from trainyard_operator.uninstall import ReleaseError, release

SETTINGS = ReleaseSettings("trainyard-system", "trainyard", ())
DEPLOYMENT = {
    "metadata": {"name": "trainyard", "namespace": "trainyard-system"},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"b": "2", "a": "1"}}},
}
OPERATOR_POD = {"metadata": {"name": "operator-1", "namespace": "trainyard-system", "labels": {"a": "1", "b": "2"}}}


def _release(api: MemoryApi, settings: ReleaseSettings = SETTINGS) -> int:
    kube: Any = api
    return asyncio.run(release(kube, settings))


def _held(name: str, finalizer: str, namespace: str = "team-a", **more: Any) -> dict[str, Any]:
    labels = {names.MANAGED_BY_LABEL: names.MANAGED_BY}
    finalizers = ["example.dev/keeps", finalizer]
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-of-{name}",
        "labels": labels,
        "finalizers": finalizers,
    }
    return {"metadata": metadata} | more


def _full() -> MemoryApi:
    """A cluster with two jobs, of which one has a pod, and one Job without a pod."""
    api = MemoryApi()
    api.hold(DEPLOYMENTS, copy.deepcopy(DEPLOYMENT))
    for name, namespace in (("one", "team-a"), ("two", "team-b")):
        api.hold(TRAINING_JOBS, _held(name, names.SETTLEMENT_FINALIZER, namespace))
        api.hold(JOBS, _held(f"{name}-1", "x", namespace, status={}))
    pod = _held("one-1-abc", names.ACCOUNTING_FINALIZER)
    pod["metadata"]["ownerReferences"] = [{"uid": "uid-of-one-1"}]
    api.hold(PODS, pod)
    return api


RELEASED = [
    "scale deployments/trainyard",
    "delete jobs/two-1",
    "finalizers trainingjobs/one",
    "finalizers trainingjobs/two",
    "finalizers pods/one-1-abc",
]


def test_first_the_operator_goes_then_jobs_without_pods_then_our_finalizers() -> None:
    """Of jobs and pods; others' finalizers stay, and what is released is counted."""
    api = _full()
    assert _release(api) == 3
    assert api.writes == RELEASED
    assert api["/deployments/trainyard"]["spec"]["replicas"] == 0
    assert "list /api/v1/namespaces/trainyard-system/pods?a=1,b=2" in api.asked
    for path in ("/trainingjobs/one", "/trainingjobs/two", "/pods/one-1-abc"):
        assert api[path]["metadata"]["finalizers"] == ["example.dev/keeps"]
    assert _release(api) == 0


def test_only_the_namespaces_that_are_watched_are_released() -> None:
    """One after the other."""
    api = _full()
    assert _release(api, ReleaseSettings("trainyard-system", "trainyard", ("team-b", "team-c"))) == 1
    assert api.writes == ["scale deployments/trainyard", "delete jobs/two-1", "finalizers trainingjobs/two"]


@pytest.mark.parametrize(("kind", "over"), [("Complete", True), ("Failed", True), ("Suspended", False)])
def test_a_job_that_is_over_is_kept(kind: str, over: bool) -> None:
    """It makes no pod any more; one that isn't would make a pod that nobody books."""
    api = _full()
    for status in ("True", "False"):
        job = _held("two-1", "x", "team-b", status={"conditions": [{"type": kind, "status": status}]})
        api.hold(JOBS, job)
        _release(api)
        assert ("delete jobs/two-1" in api.writes) is not (over and status == "True")
        api.asked.clear()


def test_without_a_deployment_nothing_is_scaled() -> None:
    """Somebody has removed it already."""
    api = _full()
    del api.objects["/apis/apps/v1/namespaces/trainyard-system/deployments/trainyard"]
    assert _release(api) == 3
    assert api.writes == RELEASED[1:]


def test_an_operator_that_wont_go_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would put the finalizers back; the error names its pods."""
    api = _full()
    api.hold(PODS, OPERATOR_POD)
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            del api.objects["/api/v1/namespaces/trainyard-system/pods/operator-1"]

    monkeypatch.setattr(asyncio, "sleep", wait)
    assert _release(api) == 3
    assert waits == [1, 1, 1]
    assert module._WAIT_SECONDS == 120
    monkeypatch.setattr(module, "_WAIT_SECONDS", -1)
    api = _full()
    api.hold(PODS, OPERATOR_POD)
    with pytest.raises(ReleaseError, match="deployment trainyard: its pods must be gone; got operator-1"):
        _release(api)
    assert api.writes == ["scale deployments/trainyard"]


class Changing(MemoryApi):
    """Its TrainingJobs change so many times while they are released."""

    changes = 0

    async def set_finalizers(self, path: str, version: str, finalizers: list[str]) -> dict[str, Any] | None:
        """Changes first."""
        if self.changes:
            self.changes -= 1
            self._keep(path, self.objects[path])
        return await super().set_finalizers(path, version, finalizers)


@pytest.mark.parametrize(("changes", "released"), [(1, True), (4, True), (5, False)])
def test_what_changes_meanwhile_is_looked_at_again(changes: int, released: bool) -> None:
    """A few times; then it is an error that names the object."""
    api = Changing()
    api.hold(TRAINING_JOBS, _held("one", names.SETTLEMENT_FINALIZER))
    api.changes = changes
    if released:
        assert _release(api) == 1
        assert api["/trainingjobs/one"]["metadata"]["finalizers"] == ["example.dev/keeps"]
    else:
        with pytest.raises(ReleaseError, match="trainingjobs: must stop changing to be released; got one"):
            _release(api)


def test_another_refusal_ends_the_release() -> None:
    """It is no conflict, so it won't pass by itself."""
    api = _full()
    api.refusals["finalizers /api/v1/namespaces/team-a/pods"] = KubeError(403, "Forbidden", "no right")
    with pytest.raises(KubeError, match="no right"):
        _release(api)


@pytest.mark.integration
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

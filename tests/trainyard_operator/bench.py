"""A real API server with controllers, a real Postgres, a real operator process; the test itself plays the kubelet.

There is no node: pods are bound and their status is patched just as a scheduler and a kubelet would.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config

from tests.servers import Database
from tests.waiting import GUARD_SECONDS, until
from trainyard_api import names
from trainyard_operator.cluster import kube
from trainyard_operator.cluster.kube import CHECKPOINTS, NODES, PODS, TRAINING_JOBS, Kind, Kube, KubeError

ROOT = Path(__file__).parents[2]
NAMESPACE = "team-a"
IMAGE = "trainer.example/trainer:1"
RATE_PER_HOUR = "1.500000"
"""One core at $1.00 and one GiB at $0.50: what `training_job` asks for."""
PRICES = {
    "gpus": [{"product": "NVIDIA-L4", "usdPerGPUHour": "0.70"}],
    "usdPerCoreHour": "1.00",
    "usdPerGiBHour": "0.50",
}


def training_job(name: str, **spec: Any) -> dict[str, Any]:
    """A small manifest; keyword arguments replace parts of its spec."""
    base: dict[str, Any] = {
        "model": {"scratch": {}},
        "algorithm": {"type": "SFT", "sft": {"steps": 10}},
        "task": {"name": "calculator", "rewards": [{"name": "exact"}]},
        "trainer": {"cpu": "1", "memory": "1Gi"},
        "database": {"secretRef": {"name": "trainyard-db"}},
        "budget": {"maxCostUSD": "5.00"},
        "checkpoints": {
            "stopGraceSeconds": 5,
            "storage": {"s3": {"bucket": "models", "prefix": "p", "secretRef": {"name": "trainyard-s3"}}},
        },
    }
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "trainyard.dev/v1alpha1", "kind": "TrainingJob", "metadata": metadata, "spec": base | spec}


def condition(body: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of an object; empty where it has none of that type."""
    found = (c for c in body.get("status", {}).get("conditions", ()) if c["type"] == kind)
    return next(found, {})


@dataclass
class Api:
    """The API server, as an administrator and as the kubelet of every node."""

    kubeconfig: Path
    audit_log: Path
    _kube: Kube = field(init=False)

    def __post_init__(self) -> None:
        settings = client.Configuration()
        config.load_kube_config(str(self.kubeconfig), client_configuration=settings)
        self._kube = Kube(client.ApiClient(settings))

    def send(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """One request."""
        return self._kube._send(method, path, body, [], content_type)

    def get(self, kind: Kind, name: str, namespace: str | None = NAMESPACE) -> dict[str, Any] | None:
        """An object; None where there is none."""
        try:
            return self.send("GET", kind.path(namespace, name))
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def create(self, kind: Kind, body: dict[str, Any], namespace: str | None = NAMESPACE) -> dict[str, Any]:
        """Creates an object."""
        return self.send("POST", kind.path(namespace), body)

    def merge(self, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        """A merge patch."""
        return self.send("PATCH", path, patch, "application/merge-patch+json")

    def delete(self, kind: Kind, name: str, namespace: str | None = NAMESPACE, **options: Any) -> None:
        """Deletes an object."""
        self.send("DELETE", kind.path(namespace, name), {"propagationPolicy": "Background"} | options)

    def items(self, kind: Kind, namespace: str | None = NAMESPACE) -> list[dict[str, Any]]:
        """All objects of a kind."""
        return self.send("GET", kind.path(namespace))["items"]

    def job(self, name: str, namespace: str = NAMESPACE) -> dict[str, Any]:
        """A TrainingJob that exists."""
        body = self.get(TRAINING_JOBS, name, namespace)
        assert body is not None, f"TrainingJob {name} is gone"
        return body

    def pods(self, job: str, namespace: str = NAMESPACE) -> list[dict[str, Any]]:
        """The pods of a TrainingJob."""
        return [p for p in self.items(PODS, namespace) if p["metadata"].get("labels", {}).get(names.JOB_LABEL) == job]

    def pod(self, job: str, namespace: str = NAMESPACE) -> dict[str, Any]:
        """The one pod of a TrainingJob, once the Job controller has made it."""
        return until(lambda: next(iter(self.pods(job, namespace)), None), f"no pod of {job}")

    def wait_condition(self, name: str, kind: str, *, reason: str, status: str | None = None) -> dict[str, Any]:
        """The TrainingJob once a condition has a reason (and status)."""

        def look() -> dict[str, Any] | None:
            found = condition(self.job(name), kind)
            right = found.get("reason") == reason and (status is None or found["status"] == status)
            return self.job(name) if right else None

        return until(look, lambda: f"{name}: want {kind} {reason}; got {self.job(name).get('status')}")

    def bind(self, pod: dict[str, Any], labels: dict[str, str] | None = None) -> str:
        """Binds a pod to a fresh node, as the scheduler does; returns the node's name."""
        node = f"node-{pod['metadata']['uid'][:8]}"
        self.create(
            NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": labels or {}}}, None
        )
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name},
            "target": {"kind": "Node", "name": node},
        }
        self.send("POST", PODS.path(namespace, name, "binding"), binding)
        return node

    def bound_ago(self, pod: dict[str, Any], seconds: int) -> None:
        """Moves the time at which a pod was bound into the past."""
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        current = self.get(PODS, name, namespace)
        assert current is not None
        conditions = current["status"]["conditions"]
        (scheduled,) = (each for each in conditions if each["type"] == "PodScheduled")
        scheduled["lastTransitionTime"] = _time(seconds)
        self.merge(PODS.path(namespace, name, "status"), {"status": {"conditions": conditions}})

    def set_state(self, pod: dict[str, Any], phase: str, state: dict[str, Any]) -> None:
        """Reports a phase and the state of the trainer's container, as the kubelet does."""
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        container = {
            "name": names.TRAINER_CONTAINER,
            "image": IMAGE,
            "imageID": "",
            "ready": "running" in state,
            "restartCount": 0,
            "state": state,
        }
        current = self.get(PODS, name, namespace)
        assert current is not None
        status = {"phase": phase, "containerStatuses": [container]}
        ready = {"type": "Ready", "status": "True" if "running" in state else "False"}
        others = [c for c in current["status"].get("conditions", ()) if c["type"] != "Ready"]
        self.merge(PODS.path(namespace, name, "status"), {"status": status | {"conditions": [*others, ready]}})

    def run(self, pod: dict[str, Any]) -> None:
        """The container runs."""
        self.set_state(pod, "Running", {"running": {"startedAt": _time(0)}})

    def end(self, pod: dict[str, Any], exit_code: int, message: str = "", *, reason: str = "", ago: int = 0) -> None:
        """The container has ended, `ago` seconds before now."""
        ended = {
            "exitCode": exit_code,
            "message": message,
            "reason": reason or ("Completed" if exit_code == 0 else "Error"),
            "startedAt": _time(ago + 1),
            "finishedAt": _time(ago),
        }
        self.set_state(pod, "Succeeded" if exit_code == 0 else "Failed", {"terminated": ended})

    def writes(self) -> list[str]:
        """Verb and URI of every write to our kinds since the API server began."""
        whole, _, _ = self.audit_log.read_text().rpartition("\n")
        events = [json.loads(line) for line in whole.splitlines() if "trainyard.dev" in line]
        return [f"{e['verb']} {e['requestURI']}" for e in events if e["objectRef"].get("apiGroup") == "trainyard.dev"]


@dataclass
class Operator:
    """A real operator process; may be killed and started again."""

    directory: Path
    kubeconfig: Path
    dsn: str
    ports: tuple[int, int]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        self.start_only()
        until(lambda: True if self.probe("readyz") == 200 else None, "the operator isn't ready")

    def start_only(self) -> None:
        """Starts it."""
        self.directory.mkdir(exist_ok=True)
        (self.directory / "prices.yaml").write_text(yaml.safe_dump(PRICES))
        (self.directory / "dsn").write_text(self.dsn)
        health_port, metrics_port = self.ports
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TRAINYARD_")},
            "PYTHONPATH": f"{ROOT / 'crds'}:{ROOT / 'operator'}",
            "KUBECONFIG": str(self.kubeconfig),
            "TRAINYARD_TRAINER_IMAGE": IMAGE,
            "TRAINYARD_PRICES_FILE": str(self.directory / "prices.yaml"),
            "TRAINYARD_DSN_FILE": str(self.directory / "dsn"),
            "TRAINYARD_HEALTH_PORT": str(health_port),
            "TRAINYARD_METRICS_PORT": str(metrics_port),
            "TRAINYARD_TICK_SECONDS": "1",
            "TRAINYARD_LOG_FORMAT": "plain",
            **self.environment,
        }
        with (self.directory / "operator.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "trainyard_operator"],
                env=environment,
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )

    def probe(self, path: str) -> int:
        """HTTP status of a health endpoint; 0 where nothing listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[0]}/{path}", timeout=GUARD_SECONDS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def metrics(self) -> dict[str, float]:
        """Every sample, by its name with labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[1]}/metrics", timeout=GUARD_SECONDS) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def ticks(self) -> int:
        """How often it has looked at everything."""
        return int(self.metrics()["trainyard_tick_duration_seconds_count"])

    def let_tick(self, times: int) -> None:
        """Waits until it has looked at everything so many times from now on."""
        underway = self.ticks() + 1
        until(lambda: self.ticks() >= underway + times, "the operator doesn't tick")

    def log(self) -> str:
        """What it has logged."""
        return (self.directory / "operator.log").read_text()

    def kill(self) -> None:
        """SIGKILL: it can finish nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; returns its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=GUARD_SECONDS)


@dataclass
class Bench:
    """Everything together."""

    api: Api
    operator: Operator
    database: Database

    def awake(self) -> Bench:
        """The same, with its operator running: a test before may have killed it."""
        process = self.operator.process
        if process is None or process.poll() is not None:
            self.operator.start()
        return self

    def submit(self, name: str, **spec: Any) -> dict[str, Any]:
        """Creates a TrainingJob."""
        return self.api.create(TRAINING_JOBS, training_job(name, **spec))

    def running(self, name: str, **spec: Any) -> dict[str, Any]:
        """Creates a TrainingJob, lets its pod run, and returns the pod."""
        self.submit(name, **spec)
        pod = self.api.pod(name)
        self.api.bind(pod)
        self.api.run(pod)
        self.api.wait_condition(name, "Succeeded", reason="Running")
        return pod

    def claim(self, job: dict[str, Any], step: int, *, folder: str = "", digest: str = "") -> str:
        """Commits a checkpoint the way a trainer does: a row; returns its URI."""
        metadata = job["metadata"]
        prefix = names.run_prefix("p", metadata["namespace"], metadata["name"], metadata["uid"])
        uri = f"s3://models/{prefix}{folder or names.checkpoint_folder(step, 'abcdef0123')}"
        self.database.execute(
            "INSERT INTO trainyard.checkpoints (uri, run_uid, attempt, step, digest, size_bytes, metrics)"
            ' VALUES (%s, %s, 1, %s, %s, 2048, \'{"reward_mean": "0.75"}\')',
            *(uri, metadata["uid"], step, digest or f"sha256:{step:064x}"),
        )
        return uri

    def finish(self, pod: dict[str, Any], uri: str) -> None:
        """Ends a pod as a trainer that is done."""
        self.api.end(pod, 0, f'{{"reason": "Completed", "committedUri": "{uri}", "lastStep": 10}}')


def rules() -> list[dict[str, Any]]:
    """What the operator may do, and no more."""

    def rule(group: str, resources: str, verbs: str) -> dict[str, Any]:
        return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}

    return [
        rule("trainyard.dev", "trainingjobs", "get list watch patch delete"),
        rule("trainyard.dev", "trainingjobs/status", "get patch"),
        rule("trainyard.dev", "trainingjobs/finalizers", "update"),
        rule("trainyard.dev", "checkpoints", "get list watch create"),
        rule("trainyard.dev", "checkpoints/status", "get patch"),
        rule("batch", "jobs", "get list watch create delete"),
        rule("batch", "jobs/finalizers", "update"),
        rule("", "pods", "get list watch patch delete"),
        rule("", "configmaps", "get create"),
        rule("", "serviceaccounts", "get create patch delete"),
        rule("rbac.authorization.k8s.io", "roles rolebindings", "get create patch delete"),
        rule("events.k8s.io", "events", "create list"),
        rule("", "namespaces nodes", "get"),
    ]


def restricted_kubeconfig(api: Api, target: Path) -> Path:
    """A kubeconfig of an account that has the operator's rights alone."""
    api.create(Kind("/api/v1", "namespaces"), {"metadata": {"name": "trainyard-system"}}, None)
    api.create(kube.SERVICE_ACCOUNTS, {"metadata": {"name": "trainyard"}}, "trainyard-system")
    roles = Kind("/apis/rbac.authorization.k8s.io/v1", "clusterroles")
    bindings = Kind("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings")
    api.create(roles, {"metadata": {"name": "trainyard"}, "rules": rules()}, None)
    subject = {"kind": "ServiceAccount", "name": "trainyard", "namespace": "trainyard-system"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "trainyard"}
    api.create(bindings, {"metadata": {"name": "trainyard"}, "roleRef": reference, "subjects": [subject]}, None)
    path = kube.SERVICE_ACCOUNTS.path("trainyard-system", "trainyard", "token")
    token = api.send("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    content = copy.deepcopy(yaml.safe_load(api.kubeconfig.read_text()))
    for user in content["users"]:
        user["user"] = {"token": token["status"]["token"]}
    target.write_text(yaml.safe_dump(content))
    return target


def install_crds(api: Api) -> None:
    """Both kinds, served."""
    definitions = Kind("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions")
    for file in sorted((ROOT / "crds").glob("*.yaml")):
        api.create(definitions, yaml.safe_load(file.read_text()), None)

    def served() -> bool | None:
        try:
            return all(isinstance(api.items(kind), list) for kind in (TRAINING_JOBS, CHECKPOINTS)) or None
        except KubeError:
            return None

    until(served, "the kinds aren't served")


def _time(ago: int) -> str:
    return (datetime.now(UTC) - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")

"""A control plane with a scheduler and simulated nodes, and the few things that the burst asks of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kubernetes import client, config

from hack.bench.burst.kwok import Kwok
from hack.cluster import binaries
from hack.cluster.controlplane import control_plane

NAMESPACE: Final = "team-a"
NODES: Final = 10
_ROOM: Final = {"cpu": "100000", "memory": "100000Gi", "pods": "10000"}
"""More than any burst asks for: nothing waits for a node."""


@dataclass(frozen=True)
class Plane:
    """A running cluster, asked as its administrator."""

    kubeconfig: Path
    api: Any
    audit_log: Path

    def kubectl(self, *arguments: str, stdin: str | None = None) -> None:
        """Runs kubectl.

        Raises:
            CalledProcessError: it failed; its words are on stderr.
        """
        program = binaries.ensure(["kubectl"]) / "kubectl"
        command = [str(program), f"--kubeconfig={self.kubeconfig}", *arguments]
        subprocess.run(command, input=stdin, check=True, text=True, stdout=subprocess.DEVNULL)

    def create(self, path: str, body: dict[str, Any]) -> None:
        """Creates an object in the collection of a path.

        Raises:
            OSError: the server refused it.
        """
        self._send("POST", path, body)

    def merge(self, path: str, patch: dict[str, Any]) -> None:
        """Merges a patch into the object at a path.

        Raises:
            OSError: the server refused it.
        """
        self._send("PATCH", path, patch, "application/merge-patch+json")

    def serves_our_kinds(self) -> bool:
        """Tells whether every definition of a kind is established."""
        found = self._send("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
        conditions = (each.get("status", {}).get("conditions") or () for each in found)
        return all(any(c["type"] == "Established" and c["status"] == "True" for c in each) for each in conditions)

    def audited(self) -> list[dict[str, Any]]:
        """Reads every write since the plane began, in the order in which they were answered."""
        whole, _, _ = self.audit_log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def pods(self) -> list[dict[str, Any]]:
        """Returns all pods of the namespace, as the server's cache has them."""
        found: list[dict[str, Any]] = self._send("GET", f"/api/v1/namespaces/{NAMESPACE}/pods?resourceVersion=0")[
            "items"
        ]
        return found

    def writes(self) -> int:
        """Counts the writes to objects of our kinds since the plane began."""
        whole, _, _ = self.audit_log.read_text().rpartition("\n")
        events = (json.loads(line) for line in whole.splitlines() if "trainyard.dev" in line)
        return sum(event["objectRef"].get("apiGroup") == "trainyard.dev" for event in events)

    def _send(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        answer = self.api.call_api(
            method,
            self.api.configuration.host + path,
            {"Content-Type": content_type, "Accept": "application/json"},
            body,
        )
        answer.read()
        if not 200 <= answer.status < 300:
            raise OSError(f"{method} {path}: must be answered with 2xx; got {answer.status}: {answer.data[:500]!r}")
        return json.loads(answer.data)


@contextmanager
def plane(directory: Path, kwok: Kwok, *, default_limits: bool = False) -> Iterator[Plane]:
    """Starts a cluster of 10 nodes in an empty directory; it is gone with the block.

    Args:
        directory: empty.
        kwok: plays the nodes.
        default_limits: whether the controllers ask no more often than by their defaults.

    Raises:
        ClusterError: it did not come up.
    """
    with ExitStack() as stack:
        running = stack.enter_context(control_plane(directory, default_limits=default_limits))
        settings = client.Configuration()
        config.load_kube_config(str(running.kubeconfig), client_configuration=settings)
        found = Plane(running.kubeconfig, client.ApiClient(settings), directory / "logs" / "audit.log")
        scheduler = binaries.ensure(["kube-scheduler"]) / "kube-scheduler"
        limits = ("--kube-api-qps=500", "--kube-api-burst=1000")  # as the controller manager has: no client waits
        started = [
            str(scheduler),
            f"--kubeconfig={running.kubeconfig}",
            "--leader-elect=false",
            "--secure-port=0",
            *limits,
        ]
        for name, command in {"scheduler": started, "kwok": kwok.command(running.kubeconfig)}.items():
            log = stack.enter_context((directory / "logs" / f"{name}.log").open("wb"))
            process = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
        found.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for number in range(NODES):
            found.create("/api/v1/nodes", _node(f"kwok-{number}"))
        yield found


def _node(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"capacity": _ROOM, "allocatable": _ROOM},
    }

"""Whoever asks something of a real API server: users whom an administrator impersonates, with rights of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config

from tests.chart.rendering import NAMESPACE
from tests.contract.server import Server
from trainyard_operator.cluster.kube import Kube, KubeError

TEAM, ELSEWHERE = "team-a", "team-b"
NODE = "node-1"
OVERRIDE = f"{NAMESPACE}-trainyard-override"
BACKUP = "system:serviceaccount:backup:velero"
# Name in the tables below → (user, group beside those that the server adds).
PEOPLE = {
    "tenant": ("jo", ""),
    "gitops": ("system:serviceaccount:argocd:controller", ""),
    "administrator": ("root", ""),
    "breaker": ("mended-by-hand", ""),
    "breaker of team-b": ("mended-elsewhere", ""),
    "backup": (BACKUP, ""),
    "operator": (f"system:serviceaccount:{NAMESPACE}:trainyard", ""),
    "job controller": ("system:serviceaccount:kube-system:job-controller", ""),
    "controller manager": ("system:kube-controller-manager", ""),
    "replica sets": ("system:serviceaccount:kube-system:replicaset-controller", ""),
    "garbage collector": ("system:serviceaccount:kube-system:generic-garbage-collector", ""),
    "namespace controller": ("system:serviceaccount:kube-system:namespace-controller", ""),
    "pod garbage collector": ("system:serviceaccount:kube-system:pod-garbage-collector", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
}

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"
FORMS = {"merge": MERGE, "json": JSON_PATCH, "strategic": STRATEGIC, "apply": APPLY}


@dataclass(frozen=True)
class Ask:
    """One request: a way to write, a path below the API server's root, a body."""

    verb: str
    """create, replace, merge, json, strategic, apply or delete."""
    path: str
    body: Any = None
    """Of a deletion its options."""

    def __str__(self) -> str:
        """What a failed test shows."""
        return f"{self.verb} {self.path} {json.dumps(self.body)[:160]}"


class Person:
    """A user as the API server knows him, by name and at most one group beside those that it adds itself."""

    def __init__(self, kubeconfig: Path, user: str, group: str = "") -> None:
        self.user = user
        settings = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=settings)
        api = client.ApiClient(settings)
        api.set_default_header("Impersonate-User", user)
        if group:
            api.set_default_header("Impersonate-Group", group)
        self._kube = Kube(api)

    def refused(self, ask: Ask, *, dry_run: bool = True) -> str:
        """Why a request was refused; empty if it wasn't. A dry run stores nothing, and is judged all the same."""
        try:
            self.send(ask, dry_run=dry_run)
        except KubeError as error:
            return str(error)
        return ""

    def send(self, ask: Ask, *, dry_run: bool = False) -> dict[str, Any]:
        """What the server answers.

        Raises:
            KubeError: it refused.
        """
        method = {"create": "POST", "replace": "PUT", "delete": "DELETE"}.get(ask.verb, "PATCH")
        query = [("dryRun", "All")] if dry_run else []
        query += [("fieldManager", "tests"), ("force", "true")] if ask.verb == "apply" else []
        # The options of a deletion are its body, and the server looks nowhere else then.
        body = ask.body | ({"dryRun": ["All"]} if dry_run else {}) if ask.verb == "delete" else ask.body
        return self._kube._send(method, ask.path, body, query, FORMS.get(ask.verb, "application/json"))

    def get(self, path: str) -> dict[str, Any]:
        """An object that exists."""
        return self._kube._send("GET", path, None, [], "application/json")


def grant(server: Server, user: str, role: str, namespace: str = "") -> None:
    """Binds a user to a ClusterRole, in one namespace or in all."""
    kind, where = ("rolebinding", ("-n", namespace)) if namespace else ("clusterrolebinding", ())
    name = f"{user}-{role}".replace(":", "-")
    server.must("create", kind, name, f"--clusterrole={role}", f"--user={user}", *where)


def give_rights(server: Server) -> None:
    """Whom the tables know, each with what such a user has in clusters of others."""
    server.must("create", "clusterrole", "everything", "--verb=*", "--resource=*.*")
    mend = ("--verb=override", "--resource=trainingjobs.trainyard.dev", f"--resource-name={ELSEWHERE}")
    server.must("create", "clusterrole", "mend-elsewhere", *mend)
    for who in ("tenant", "breaker", "breaker of team-b"):
        for namespace in (TEAM, ELSEWHERE):
            grant(server, PEOPLE[who][0], "everything", namespace)
    for who in ("gitops", "administrator", "backup"):
        grant(server, PEOPLE[who][0], "cluster-admin")
    grant(server, PEOPLE["breaker"][0], OVERRIDE)
    grant(server, PEOPLE["breaker of team-b"][0], "mend-elsewhere")
    # A controller manager with one account for all controllers has the rights of all.
    for controller in ("job-controller", "generic-garbage-collector", "replicaset-controller"):
        grant(server, PEOPLE["controller manager"][0], f"system:controller:{controller}")

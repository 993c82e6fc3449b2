"""A real API server as the contract's tests talk to it: validating only, nothing is stored unless said."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config

from hack.cluster import binaries
from tests.waiting import until

GROUP, VERSION = "trainyard.dev", "v1alpha1"
PLURALS = {"TrainingJob": "trainingjobs", "Checkpoint": "checkpoints"}
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Refusal:
    """An error of the API server: each cause as (field, message)."""

    status: int
    causes: tuple[tuple[str, str], ...]
    message: str


class Server:
    """Creates and updates objects of both kinds."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self._api = client.CustomObjectsApi(config.new_client_from_config(str(kubeconfig)))

    def kubectl(self, *arguments: str, stdin: str | None = None, program: str = "kubectl") -> tuple[int, str]:
        """Exit code and output of kubectl or helm against this server."""
        command = [str(binaries.ensure([program]) / program), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def must(self, *arguments: str, stdin: str | None = None, program: str = "kubectl") -> str:
        """Output of a command that must succeed."""
        code, output = self.kubectl(*arguments, stdin=stdin, program=program)
        assert code == 0, f"{program} {' '.join(arguments)}: {output}"
        return output

    def install_crds(self) -> None:
        """Both kinds as crds/*.yaml defines them, served."""
        self.must("apply", "--server-side", "-f", str(ROOT / "crds"))
        until(lambda: self.kubectl("get", "trainingjobs,checkpoints")[0] == 0, "the kinds aren't served")

    def create(self, body: dict[str, Any], *, dry_run: bool = True) -> Refusal | dict[str, Any]:
        """The object as stored, or why not. Unknown fields are refused, as `kubectl --validate=strict` does."""
        return self._call(self._api.create_namespaced_custom_object, body, dry_run=dry_run, field_validation="Strict")

    def update(self, body: dict[str, Any]) -> Refusal | dict[str, Any]:
        """A dry run of replacing all but the status."""
        return self._call(self._api.replace_namespaced_custom_object, body, name=body["metadata"]["name"])

    def update_status(self, body: dict[str, Any], *, dry_run: bool = True) -> Refusal | dict[str, Any]:
        """A dry run of replacing the status."""
        call = self._api.replace_namespaced_custom_object_status
        return self._call(call, body, dry_run=dry_run, name=body["metadata"]["name"])

    def patch(self, namespace: str, name: str, body: dict[str, Any], *, subresource: str = "") -> str:
        """Why a merge patch of a TrainingJob was refused; empty if it wasn't. One request, no look before it."""
        whole = self._api.patch_namespaced_custom_object
        call = self._api.patch_namespaced_custom_object_status if subresource else whole
        try:
            where = (GROUP, VERSION, namespace, "trainingjobs", name)
            call(*where, body, _content_type="application/merge-patch+json")
        except client.ApiException as error:
            return str(json.loads(error.body)["message"])
        return ""

    @staticmethod
    def _call(call: Any, body: dict[str, Any], *, dry_run: bool = True, **extra: Any) -> Refusal | dict[str, Any]:
        where = (GROUP, VERSION, body["metadata"].get("namespace", "default"), PLURALS[body["kind"]])
        options = extra | ({"dry_run": "All"} if dry_run else {})
        try:
            return call(*where, body=body, **options)
        except client.ApiException as error:
            status = json.loads(error.body)
            causes = status.get("details", {}).get("causes", [])
            found = tuple((cause.get("field", ""), cause.get("message", "")) for cause in causes)
            return Refusal(error.status, found, status["message"])

"""kubectl and helm as the demo and the end-to-end tests call them: always against the test cluster."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Any

from hack.cluster import state


class CommandError(RuntimeError):
    """A command failed; the text holds what it printed."""


@dataclass(frozen=True)
class Kubectl:
    """Programs bound to one cluster."""

    cluster: state.ClusterState

    @classmethod
    def current(cls) -> Kubectl:
        """Finds the cluster that is up.

        Raises:
            CommandError: none is.
        """
        cluster = state.load()
        if cluster is None:
            raise CommandError("no test cluster is up; run `make cluster-up`")
        return cls(cluster)

    def environment(self) -> dict[str, str]:
        """Returns the environment for a person's own kubectl: PATH and KUBECONFIG."""
        path = f"{self.cluster.bin}:{os.environ.get('PATH', '')}"
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self.cluster.kubeconfig)}

    def try_(self, *arguments: str, program: str = "kubectl", stdin: str | None = None) -> tuple[int, str, str]:
        """Runs and returns (exit status, stdout, stderr)."""
        context = "--kube-context" if program == "helm" else "--context"
        command = [str(self.cluster.bin / program), context, self.cluster.context, *arguments]
        done = subprocess.run(
            command, env=self.environment(), input=stdin, capture_output=True, text=True, check=False, timeout=600
        )
        return done.returncode, done.stdout, done.stderr

    def __call__(self, *arguments: str, program: str = "kubectl", stdin: str | None = None) -> str:
        """Runs and returns stdout.

        Raises:
            CommandError: the command failed.
        """
        status, out, err = self.try_(*arguments, program=program, stdin=stdin)
        if status != 0:
            raise CommandError(f"{program} {' '.join(arguments[:6])}: {err.strip() or out.strip()}")
        return out

    def json(self, *arguments: str) -> dict[str, Any]:
        """Runs `kubectl ... -o json` and parses its output."""
        parsed: dict[str, Any] = json.loads(self(*arguments, "-o", "json"))
        return parsed

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """Lists the items of a list."""
        items: list[dict[str, Any]] = self.json("get", *arguments)["items"]
        return items

    def apply(self, manifest: str, *arguments: str) -> str:
        """Applies a manifest given as text."""
        return self("apply", *arguments, "-f", "-", stdin=manifest)


def condition(item: dict[str, Any], kind: str) -> dict[str, Any]:
    """Finds a condition of an object; an empty dict without one."""
    conditions = item.get("status", {}).get("conditions") or []
    return next((entry for entry in conditions if entry["type"] == kind), {})

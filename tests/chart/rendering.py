"""The chart as helm renders it, without a cluster."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from hack.cluster import binaries

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/trainyard"
NAMESPACE = "trainyard-system"
REQUIRED = {
    "image.operator": "registry.example.com/operator:1",
    "image.trainer": "registry.example.com/trainer:1",
    "database.secretName": "trainyard-database",
}
Values = dict[str, Any]


def helm(*arguments: str) -> tuple[int, str]:
    """Exit code and output of helm."""
    command = [str(binaries.ensure(["helm"]) / "helm"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def flags(values: Values | None = None, *, required: bool = True) -> list[str]:
    """Values as flags of helm, by dotted name, with those that have no default."""
    merged = (REQUIRED if required else {}) | (values or {})
    return [part for name, value in merged.items() for part in ("--set-json", f"{name}={json.dumps(value)}")]


def template(values: Values | None = None, *, release: str = "trainyard", namespace: str = NAMESPACE) -> str:
    """What helm would install."""
    code, output = helm(
        *("template", release, str(CHART), "--namespace", namespace, "--kube-version", "1.36.3"), *flags(values)
    )
    assert code == 0, output
    return output


def objects(values: Values | None = None, **where: str) -> list[dict[str, Any]]:
    """The objects that helm would install, CustomResourceDefinitions included."""
    return [body for body in yaml.safe_load_all(template(values, **where)) if body]


def of_kind(bodies: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Those of one kind."""
    return [body for body in bodies if body["kind"] == kind]


def pods(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pod specs of all Deployments and Jobs."""
    return [body["spec"]["template"]["spec"] for body in bodies if body["kind"] in ("Deployment", "Job")]

"""Manifests of the end-to-end tests: the examples, changed where a test needs it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
NAMESPACE = "team-a"
Manifest = dict[str, Any]


def example(name: str, **changes: Any) -> Manifest:
    """An example of crds/examples with changes given as dotted paths with `__` for the dots.

    `example("calculator-sft", metadata__name="x", spec__algorithm__sft__steps=5)`. None removes a field. The CPU
    request is small, so that several trainers share a small machine.
    """
    manifest: Manifest = yaml.safe_load((ROOT / f"crds/examples/{name}.yaml").read_text())
    for path, value in ({"spec__trainer__cpu": "100m"} | changes).items():
        *parents, leaf = path.split("__")
        target = manifest
        for parent in parents:
            target = target.setdefault(parent, {})
        if value is None:
            target.pop(leaf, None)
        else:
            target[leaf] = copy.deepcopy(value)
    return manifest


def short_sft(name: str, **changes: Any) -> Manifest:
    """A job of three small steps without evaluation."""
    small = {"spec__algorithm__sft__steps": 3, "spec__algorithm__sft__batchSize": 4, "spec__evaluation": None}
    return example("calculator-sft", metadata__name=name, **(small | changes))

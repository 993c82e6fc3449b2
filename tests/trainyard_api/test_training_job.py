"""Claims about the TrainingJob kind as Python reads it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hack.generate.crd import definition
from tests.contract import bases
from tests.contract.cel_breaks import changed
from trainyard_api.training_job import TrainingJob, parse_training_job

SPEC = definition(TrainingJob)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


def field_names(node: dict[str, Any]) -> set[str]:
    """Every field below a schema node."""
    children = node.get("properties", {})
    inner = [*children.values(), *filter(lambda part: isinstance(part, dict), (node.get("items"),))]
    return set(children).union(*(field_names(child) for child in inner))


def test_an_older_operator_reads_a_newer_object() -> None:
    """A field that this version doesn't know is ignored when an object comes from the API server."""
    body = changed(bases.example("minimal"), {"spec.fromTheFuture": 1, "status": {"cost": {"newSum": "1"}}})
    assert parse_training_job(body).spec == parse_training_job(bases.example("minimal")).spec


def test_an_object_goes_and_comes_back() -> None:
    """What is written to the wire is what was read: no null, no field lost."""
    body = bases.training_jobs()[0] | {"status": bases.training_job_status()}
    wire = parse_training_job(body).to_wire()
    assert wire["status"] == body["status"]
    assert wire["spec"] == body["spec"]


def test_full_example_names_every_field() -> None:
    """crds/examples/full.yaml shows every field of the spec, set or as a comment."""
    words = (bases.EXAMPLES / "full.yaml").read_text().replace("{", " ").replace("#", " ").split()
    assert field_names(SPEC) - {word.rstrip(":") for word in words if word.endswith(":")} == set()


def test_full_example_shows_the_defaults() -> None:
    """Where full.yaml sets a field that has a scalar default, it sets that default."""
    differing: list[str] = []
    meant = {"spec.algorithm.grpo.steps", "spec.checkpoints.storage.s3.prefix"}

    def compare(node: dict[str, Any], value: Any, path: str) -> None:
        if "default" in node and not isinstance(node["default"], dict) and value != node["default"]:
            differing.append(path)
        for name, child in node.get("properties", {}).items():
            if isinstance(value, dict) and name in value:
                compare(child, value[name], f"{path}.{name}")

    compare(SPEC, bases.example("full")["spec"], "spec")
    assert set(differing) <= meant


def test_objects_are_frozen() -> None:
    """A manifest that has been read can't be changed by accident."""
    job = parse_training_job(bases.example("minimal"))
    with pytest.raises(ValidationError, match="frozen"):
        job.spec.budget.max_cost_usd = "2"


def test_other_kind_is_refused() -> None:
    """An object of another kind or version isn't read as a TrainingJob."""
    for change in ({"kind": "Checkpoint"}, {"apiVersion": "trainyard.dev/v2"}):
        with pytest.raises(ValidationError):
            parse_training_job(changed(bases.example("minimal"), change))

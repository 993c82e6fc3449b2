"""Claims about what happens to a manifest before its rules: what kubectl and the API server do to a JSON object.

Each verdict was given by a real API server; tests/claims sends these and hundreds more to one.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pydantic import ValidationError

from tests.contract import bases
from tests.contract.cel_breaks import changed
from trainyard_api.manifest import check_manifest
from trainyard_api.validation import explain


def read(**changes: Any) -> Any:
    """The smallest manifest, changed at dotted places whose dots are written as `__`."""
    return check_manifest(
        changed(bases.example("minimal"), {place.replace("__", "."): value for place, value in changes.items()})
    )


def faults(**changes: Any) -> list[str]:
    """What is wrong with it."""
    with pytest.raises(ValidationError) as caught:
        read(**changes)
    return explain(caught.value)


def test_null_is_absent() -> None:
    """A null member is as good as none, known or not, at any depth; a null item of a list is no item."""
    job = read(
        status=None,
        foo=None,
        metadata__labels={"a": None},
        spec__evaluation=None,
        spec__tags={"a": None, "b": "x"},
        spec__algorithm__seed=None,
        spec__task__rewards=[{"name": "exact", "weight": None, "foo": None}],
    )
    assert job.spec == read(spec__tags={"b": "x"}).spec
    assert job.metadata.labels == {}
    assert faults(spec__budget__maxCostUSD=None) == ["spec.budget.maxCostUSD: is required; got nothing"]
    assert faults(spec__task__rewards=[None]) == ["spec.task.rewards[0]: must be a map; got nothing"]


@pytest.mark.parametrize(("value", "number"), [(8.0, 8), (1e3, 1000), (-0.0, 0), (float(2**53), 2**53)])
def test_a_whole_number_has_no_point(value: float, number: int) -> None:
    """YAML's and JSON's `8.0` is the integer 8; what has a fraction isn't."""
    assert read(spec__algorithm__seed=value).spec.algorithm.seed == number
    assert faults(spec__algorithm__seed=value + 0.5 if value < 2**50 else 0.5)[0].startswith("spec.algorithm.seed: ")


def test_metadata_is_read_by_another_reader() -> None:
    """In metadata a point makes no integer, for kubectl reads that part of a JSON file by itself."""
    assert read(metadata__generation=5).metadata.generation == 5
    assert faults(metadata__generation=5.0) == ["metadata.generation: must be a whole number; got 5.0"]


def test_python_names_are_no_fields() -> None:
    """`group_size` is what this code calls a field, not what the API does."""
    body = bases.example("calculator-grpo")
    grpo = body["spec"]["algorithm"]["grpo"]
    with pytest.raises(ValidationError) as caught:
        check_manifest(changed(body, {"spec.algorithm.grpo": {**grpo, "group_size": 4}}))
    assert explain(caught.value) == ["spec.algorithm.grpo.group_size: is not a field of this API; got 4"]


@pytest.mark.parametrize("name", ["apiVersion", "kind", "metadata", "spec"])
def test_nothing_is_assumed(name: str) -> None:
    """What an object is must be said."""
    assert f"{name}: is required; got nothing" in faults(**{name: None})


@pytest.mark.parametrize("status", [None, "x", [], {}, {"attempts": "x"}, {"conditions": [None]}, {"cost": "much"}])
def test_a_status_is_dropped(status: Any) -> None:
    """The API server takes no status with a manifest, right or wrong."""
    assert read(status=status).status is None


@pytest.mark.parametrize(
    ("status", "path"),
    [
        ({"foo": 1}, "status.foo"),
        ({"cost": {"foo": 1}}, "status.cost.foo"),
        ({"cost": [{"foo": 1}]}, "status.cost[0].foo"),
        ({"conditions": [{"type": "a"}, {"foo": 1}]}, "status.conditions[1].foo"),
        ({"attempts": {"foo": 1}}, "status.attempts.foo"),
        ({"progress": {"evaluation": {"before": {"foo": 1}}}}, "status.progress.evaluation.before.foo"),
    ],
)
def test_a_status_has_known_names(status: Any, path: str) -> None:
    """Strict validation sees unknown names before the status is dropped."""
    assert faults(status=status) == [f"{path}: is not a field of this API; got 1"]


def test_a_halved_pair_is_replaced() -> None:
    """Half of a surrogate pair, which Go's JSON replaces, is no traceback in a file that Python read otherwise."""
    assert read(spec__tags={"a": "\ud83d"}).spec.tags == {"a": "\ufffd"}


def test_values_that_yaml_made_are_texts() -> None:
    """A date that another reader made of a text is that text again, as a key too."""
    assert read(spec__tags={"a": dt.date(2026, 1, 2)}).spec.tags == {"a": "2026-01-02"}
    body = bases.example("minimal")
    body["spec"]["tags"] = {dt.date(2026, 1, 2): "x"}
    with pytest.raises(ValidationError) as caught:
        check_manifest(body)
    assert explain(caught.value)[0].startswith("spec.tags.2026-01-02: must match")


def test_the_copy_counts_as_an_annotation() -> None:
    """Kubectl keeps what it applied in an annotation, where <, > and & have six bytes; all may have 256 KiB."""
    for text, most in (("x", 130_000), ("<", 36_500), ("\n", 86_000), ("\u2028", 28_000)):
        read(metadata__annotations={"a": text * most})
        assert faults(metadata__annotations={"a": text * int(most * 1.05)})[0].startswith(
            "metadata.annotations: must have at most 262144 bytes"
        )
    read(metadata__annotations={"kubectl.kubernetes.io/last-applied-configuration": "x" * 262_144})

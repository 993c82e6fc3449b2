"""Claims about a manifest's metadata; each verdict was given by a real API server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from trainyard_api.object_meta import ManifestMeta

OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y"}
TIME = "2026-01-02T03:04:05Z"

# Member → what is taken, what is refused.
CASES: dict[str, tuple[list[Any], list[Any]]] = {
    "name": (["a", "a.b", "1", "a" * 253], ["", "A", "a_b", "-a", "a-", "a/b", "..", "é", "a\n", "a" * 254, 5]),
    "namespace": (["team-a", "", "1"], ["Team", "a.b", "a/b", "..", "../../../escaped", "a" * 64, "a\0", 5]),
    "labels": (
        [{}, {"a": ""}, {"a.b/c": "x"}, {"a_b": "A.b-c"}, {"x" * 253 + "/a": "x"}, {"a": "x" * 63}],
        [
            *(
                [],
                "x",
                {"a": 1},
                {"a": "-a"},
                {"a": "x" * 64},
                {"a": "é"},
                {"a": "a\n"},
                {"a b": "x"},
                {"": "x"},
                {"a/": "x"},
            ),
            *({"/a": "x"}, {"a/b/c": "x"}, {"A.b/c": "x"}, {"a..b/c": "x"}, {"x" * 64: "x"}, {"x" * 254 + "/a": "x"}),
        ],
    ),
    "annotations": ([{"A.b/C": "\0\n"}, {"a": ""}], [[], "x", {"a": 1}, {"a b": "x"}, {"": "x"}, {"a..b/c": "x"}]),
    "finalizers": (
        [["orphan"], ["a.b/c", "a.b/c"]],
        ["x", [5], [""], ["a b/c"], ["A.b/c"], ["orphan", "foregroundDeletion"]],
    ),
    "ownerReferences": (
        [[OWNER], [OWNER | {"apiVersion": "a/v1", "kind": "Event"}], [OWNER | {"controller": True}, OWNER]],
        [
            *([OWNER | {"foo": 1}], [OWNER | {"uid": ""}], [OWNER | {"name": ""}], [OWNER | {"kind": "Event"}]),
            *([OWNER | {"apiVersion": version}] for version in ("", "a/", "a/b/c")),
            *([{"apiVersion": "v1"}], [None], {}, [OWNER | {"controller": True}] * 2, [OWNER | {"controller": "x"}]),
        ],
    ),
    "managedFields": (
        [[], [None], [{}], [{"time": TIME, "operation": "Nope", "fieldsV1": [1, {"a": 2}], "subresource": "status"}]],
        [{}, ["x"], [{"foo": 1}], [{"time": "x"}], [{"manager": 1}]],
    ),
    "generateName": (["", "a", "a-", "a" * 253], ["A", "a.", "-a", "a_", "a" * 254]),
    "creationTimestamp": (
        [
            TIME,
            "2026-01-02T3:04:05.5+02:00",
            "2026-01-02T03:04:05,5Z",
            "0000-02-29T00:00:00Z",
            "2026-01-02T03:04:05+24:60",
        ],
        [
            *("", "x", 5, "2026-01-02", "2026-02-30T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T03:04:60Z"),
            *("2026-01-02t03:04:05z", "2026-01-02T03:04:05+25:00", "10000-01-02T03:04:05Z", " 2026-01-02T03:04:05Z"),
        ],
    ),
    "deletionTimestamp": ([TIME], ["x"]),
    "deletionGracePeriodSeconds": ([5, -5], [5.5, "5", 2**63]),
    "generation": ([5, -5], [5.5, "5", 2**63]),
    "resourceVersion": (["", "5"], [5]),
    "uid": (["", "a b/c"], [5]),
    "selfLink": (["x"], [5]),
}


def meta(**members: Any) -> ManifestMeta:
    """Metadata with a name and these members, as strictly as a manifest is read."""
    return ManifestMeta.model_validate_json(
        json.dumps({"name": "a"} | members), strict=True, extra="forbid", by_alias=True, by_name=False
    )


@pytest.mark.parametrize(("member", "value"), [(name, value) for name, (taken, _) in CASES.items() for value in taken])
def test_what_kubernetes_takes_is_taken(member: str, value: Any) -> None:
    """Every member of an object's metadata may stand in a manifest."""
    meta(**{member: value})


@pytest.mark.parametrize(("member", "value"), [(name, value) for name, (_, wrong) in CASES.items() for value in wrong])
def test_what_kubernetes_refuses_is_refused(member: str, value: Any) -> None:
    """Names, keys, times and references that an API server wouldn't store."""
    with pytest.raises(ValidationError):
        meta(**{member: value})


@pytest.mark.parametrize("member", ["clusterName", "Name", "creation_timestamp", "foo"])
def test_other_members_are_refused(member: str) -> None:
    """Former members, other spellings and anything else."""
    with pytest.raises(ValidationError, match="Extra inputs"):
        meta(**{member: "x"})


def test_an_empty_namespace_is_the_default_one() -> None:
    """As kubectl has it where no context says otherwise."""
    assert meta(namespace="").namespace == meta().namespace == "default"

"""Values at places of the smallest manifest, right and wrong, sent to a real API server and read without one."""

from __future__ import annotations

from typing import Any

from tests.contract import bases
from tests.contract.cel_breaks import GONE

PLACES: dict[str, tuple[Any, ...]] = {
    "apiVersion": (None, GONE, "", 1, "v1", "trainyard.dev/v2", "trainyard.dev/v1alpha1 "),
    "kind": (None, GONE, "", 1, "Job", "trainingjob"),
    "metadata": (None, GONE, [], "x", {}),
    "metadata.name": (None, GONE, "", 5, "A/b c", "a.b", "a_b", "-a", "a-", "..", "a" * 41, "\u00e9", "a\n", "x" * 254),
    "metadata.namespace": (None, "", "team-a", 5, "Team", "a/b", "../../../escaped", "..", "a.b", "a" * 64, "a\0"),
    "metadata.labels": (
        *(None, [], "x", {"a": None}, {"a": 1}, {"a": ""}, {"a": "-a"}, {"a": "x" * 64}, {"a b": "x"}, {"": "x"}),
        *({"a/": "x"}, {"A.b/c": "x"}, {"a..b/c": "x"}, {"a.b/c": "x"}, {"x" * 64: "x"}, {"a\n": "x"}, {"a": "a\n"}),
        *({"x" * 253 + "/a": "x"}, {"x" * 254 + "/a": "x"}, {"a/b/c": "x"}, {"\u212a": "x"}),
    ),
    "metadata.annotations": (
        *(None, [], "x", {"a": None}, {"a": 1}, {"a": ""}, {"A.b/C": "x"}, {"a b": "x"}, {"a": "\0\n\u2028<>&"}),
        *({"a": "x" * 262_144}, {"a": "<" * 37_000}, {"a": "<" * 38_000}, {"\u212a": "x"}),
        {"kubectl.kubernetes.io/last-applied-configuration": "x" * 262_144},
    ),
    "metadata.finalizers": (
        *(None, [], "x", [None], [5], ["a.b/c"], ["orphan"], ["orphan", "foregroundDeletion"], ["a b/c"], [""]),
        *(["/a"], ["A.b/c"]),
    ),
    "metadata.ownerReferences": tuple(
        [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y"} | change]
        for change in (
            *({}, {"foo": 1}, {"foo": None}, {"uid": ""}, {"uid": None}, {"uid": 5}, {"kind": ""}, {"name": "A b"}),
            *({"kind": "Event"}, {"kind": "Event", "apiVersion": "a/v1"}, {"apiVersion": ""}, {"apiVersion": "a/"}),
            *({"apiVersion": "a/b/c"}, {"controller": True}, {"controller": "x"}, {"blockOwnerDeletion": None}),
        )
    ),
    "metadata.managedFields": (
        *([], {}, [None], ["x"], [{}], [{"foo": 1}], [{"foo": None}], [{"time": "x"}], [{"fieldsV1": [1, {"a": 2}]}]),
        [{"manager": "x", "operation": "Nope", "apiVersion": "v1", "time": bases.TIME, "subresource": "status"}],
    ),
    "metadata.generateName": (None, "", "a", "a-", "a.", "A", "a" * 253, "a" * 254),
    "metadata.creationTimestamp": (
        *(None, "", "x", 5, bases.TIME, "2026-01-02", "2026-01-02T03:04:05.5+02:00", "2026-01-02T03:04:05,5Z"),
        *("2026-02-30T00:00:00Z", "0000-02-29T00:00:00Z", "2026-01-02T3:04:05Z", "2026-01-02T24:00:00Z"),
        *("2026-01-02T03:04:60Z", "2026-01-02T03:04:05+24:60", "2026-01-02T03:04:05+25:00", "2026-01-02t03:04:05z"),
    ),
    "metadata.deletionTimestamp": (bases.TIME, "x"),
    "metadata.deletionGracePeriodSeconds": (5, -5, 5.5, "5", 2**63),
    "metadata.generation": (5, -5, 5.0, 5.5, "5", None),
    "metadata.resourceVersion": ("", "5", 5),
    "metadata.uid": ("", "a b/c", 5),
    "metadata.selfLink": ("x", 5),
    "metadata.clusterName": ("x", None),
    "metadata.Name": ("x",),
    "status": (
        *(None, "x", [], {}, {"attempts": 1}, {"attempts": "x"}, {"attempts": -1}, {"foo": 1}, {"foo": None}),
        *({"cost": {"foo": 1}}, {"cost": [{"foo": 1}]}, {"conditions": {"foo": 1}}, {"conditions": [{"foo": 1}]}),
        *({"conditions": [None]}, {"attempts": {"foo": 1}}, {"conditions": [{"type": "a"}] * 20}),
    ),
    "items": (None, [], [{}]),
    "foo": (None, 1, {}),
    "spec": (None, GONE, "x", [], {}),
    "spec.foo": (None, [None], {"a": None}),
    "spec.model": (None, {"scratch": None}, {"scratch": None, "path": "/a"}, {"scratch": {"layers": None}}),
    "spec.algorithm.sft": (
        *({"steps": None}, {"steps": 8.0}, {"steps": 8.5}, {"steps": 1e3}, {"steps": 2**31}, {"steps": 2**63}),
        *({"steps": 1e22}, {"steps": "8"}, {"steps": True}, {"steps": 5, "batch_size": 1}),
        *({"steps": 5, "batchSize": None}, {"steps": 5, "learningRate": 0.001}, {"steps": 5, "learningRate": None}),
    ),
    "spec.algorithm.seed": (None, 2**53, 2**53 + 1, float(2**53), float(2**53) + 2, -0.0, 1e-400),
    "spec.algorithm.compile": (None, 0, 1, "true", "yes"),
    "spec.algorithm.lora": (None, {}, {"targetModules": []}, {"targetModules": [None]}, {"targetModules": ["a", None]}),
    "spec.task.rewards": (
        *(None, [], [None], [{"name": None}], [{"name": "a", "weight": None}], [{"name": "a", "foo": None}]),
        *([{"name": "a"}, None], [{"name": "a", "timeout_seconds": 1}], [{"name": "a", "timeoutSeconds": 5.0}]),
    ),
    "spec.task.options": (
        *(None, {"a": None}, {"a": 1}, {"a": "\u00e9" * 16_384}, {"a": "x" * 16_385}, {"a": "one\n\ttwo"}, {"a": "\r"}),
        *({f"k{number}": "x" * 16_384 for number in range(8)}, {f"k{number}": "\n" * 16_384 for number in range(8)}),
    ),
    "spec.tags": (None, {"a": None}, {"a": "\0"}, {"a": "\x1b"}, {"a": "\x7f"}, {"a": "\n"}, {"a": "\u2028"}, {"a": 1}),
    "spec.trainer": (
        *(None, {"cpu": None}, {"nodeSelector": {"a": None}}, {"tolerations": [None]}, {"tolerations": [{}]}),
        *({"tolerations": [{"operator": "Exists"}]}, {"tolerations": [{"key": "a", "value": "b"}]}),
        *({"memory": size} for size in ("0", "512m", "64Mi", "0.5Gi", "63Mi", "4294967296", "1e9", "0.0001", "1Pi")),
        *({"cpu": cores} for cores in ("0", "9m", "10m", "0.01", "0.0001", "1e3", "1Ki", "10k", "10.001k")),
        *(
            {"image": name}
            for name in ("a", "A", "a b", "a:", "[::1]:5000/a", "r.io/a@sha256:" + "0" * 64, "a\n", "a\0")
        ),
    ),
    "spec.checkpoints.storage.s3.endpoint": (
        *("http://a", "http://a:0", "http://a:080", "http://a:65536", "http://[::1]:1/x", "http://[:]", "http://a_b"),
        *("http://[::ffff:1:2]", "http://[1:2:3:4:5:6:7::]", "http://[::1", "http://a\n", "http://a\u00a0"),
    ),
}

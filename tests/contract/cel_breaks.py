"""For each CEL rule, changes to a legal manifest that break it alone. A rule that is missing here fails its test."""

from __future__ import annotations

import copy
from typing import Any

from tests.contract.bases import DIGEST, S3, TIME

GONE = object()
"""In place of a value: the field is removed."""
Changes = dict[str, Any]
Key = tuple[str, ...]
"""Place of a rule, the field that it names and, where several rules stand there, its message."""

_PORT, _ADDRESS = "must have a port from 1 to 65535", "must have an IPv6 address in its brackets"
_ENDPOINTS = {
    _PORT: ("http://s3:0", "http://s3:65536", "https://[::1]:99999/a"),
    _ADDRESS: ("http://[:]", "http://[1::2::3]", "http://[::ffff:102:304]"),
}


def _endpoints(place: str, url: str) -> Changes:
    """Changes that put an endpoint at a place of a TrainingJob."""
    return {
        "spec.model.s3": {"spec.model": {"s3": S3 | {"endpoint": url}}},
        "spec.model.huggingFace": {
            "spec.model": {"huggingFace": {"repository": "a/b", "revision": "0" * 40, "endpoint": url}}
        },
        **{
            f"spec.task.data.{split}.s3": {f"spec.task.data.{split}": {"s3": S3 | {"endpoint": url}}}
            for split in ("train", "validation", "test")
        },
    }.get(place, {f"{place}.endpoint": url})


_ENDPOINT_PLACES = (
    *("spec.model.s3", "spec.model.huggingFace", "spec.task.data.train.s3", "spec.task.data.validation.s3"),
    *("spec.task.data.test.s3", "spec.checkpoints.storage.s3", "spec.tracking.wandb", "spec.tracking.mlflow"),
)

# (place of the rule, field that it names) → changes; the place as `Rule.id` writes it.
ON_CREATE: dict[Key, list[Changes]] = {
    ("root", ".metadata.name"): [{"metadata.name": "a" * 41}, {"metadata.name": "a.b"}],
    ("spec.model", ""): [{"spec.model": {}}, {"spec.model.path": "/model"}],
    ("spec.model.checkpoint", ""): [{"spec.model.checkpoint.name": "another"}, {"spec.model.checkpoint": {}}],
    ("spec.model.checkpoint", ".select"): [{"spec.model.checkpoint": {"name": "another", "select": "Latest"}}],
    ("spec.model.scratch", ".attentionHeads"): [{"spec.model": {"scratch": {"attentionHeads": 3}}}],
    ("spec.model.scratch", ".headDim"): [{"spec.model": {"scratch": {"headDim": 15}}}],
    ("spec.algorithm", ".grpo"): [{"spec.algorithm": {"type": "GRPO"}}],
    ("spec.algorithm", ".sft"): [{"spec.algorithm.sft": {"steps": 5}}, {"spec.algorithm": {"type": "SFT"}}],
    ("spec.algorithm.grpo.learningRate", ""): [{"spec.algorithm.grpo.learningRate": "1.1"}],
    ("spec.algorithm", ".lora"): [{"spec.algorithm": {"type": "Evaluation", "lora": {}}}],
    ("spec.algorithm.grpo", ".maxPolicyTokens"): [
        {"spec.algorithm.grpo.loss": "DrGRPO"},
        {"spec.algorithm.grpo.maxPolicyTokens": 5},
    ],
    ("spec.algorithm.grpo", ".epsilonLow"): [
        {"spec.algorithm.grpo": {"loss": "CISPO", "steps": 5, "epsilonLow": "0.1"}}
    ],
    ("spec.algorithm.grpo", ".epsilonHigh"): [
        {"spec.algorithm.grpo": {"loss": "CISPO", "steps": 5, "epsilonHigh": high}} for high in ("0", "1e-60")
    ],
    ("spec.algorithm.grpo", ".dualClip"): [
        {"spec.algorithm.grpo": {"loss": "CISPO", "steps": 5, "dualClip": "3"}},
        {"spec.algorithm.grpo.dualClip": "1.0"},
    ],
    ("spec.algorithm.grpo.temperature", ""): [
        {"spec.algorithm.grpo.temperature": "0.0"},
        {"spec.algorithm.grpo.temperature": "1e-60"},
        {"spec.algorithm.grpo.temperature": "0.0099"},
        {"spec.algorithm.grpo.temperature": "100.1"},
    ],
    ("spec.algorithm.grpo.topP", ""): [{"spec.algorithm.grpo.topP": "0.0"}],
    ("spec.algorithm.grpo.kl.coefficient", ""): [
        {"spec.algorithm.grpo.kl.coefficient": "0"},
        {"spec.algorithm.grpo.kl.coefficient": "1e-99"},
    ],
    ("spec", ".evaluation.baseline"): [
        {"spec.evaluation.baseline": {"checkpoint": "another"}},
        {"spec.algorithm": {"type": "Evaluation"}, "spec.evaluation.validation": GONE},
    ],
    ("spec", ".evaluation.validation"): [
        {"spec.algorithm": {"type": "Evaluation"}, "spec.evaluation.baseline": {"checkpoint": "another"}}
    ],
    ("spec.task.data", ".test"): [{"spec.task.data.test": GONE}, {"spec.task.data.validation": GONE}],
    ("spec.task.data.train", ""): [{"spec.task.data.train": {}}, {"spec.task.data.train.path": "/data"}],
    ("spec.task.data.validation", ""): [{"spec.task.data.validation": {}}],
    ("spec.task.data.test", ""): [{"spec.task.data.test": {}}],
    ("spec.tags", ""): [{"spec.tags": {"no word": "x"}}],
    ("spec.algorithm.sft.learningRate", ""): [
        {"spec.algorithm": {"type": "SFT", "sft": {"steps": 5, "learningRate": "2"}}}
    ],
    ("spec.evaluation.temperature", ""): [
        {"spec.evaluation.temperature": "0.0"},
        {"spec.evaluation.temperature": "0.0099"},
    ],
    ("spec.budget.maxCostUSD", ""): [{"spec.budget.maxCostUSD": "0.00"}],
    ("spec.task.options", ""): [{"spec.task.options": {"no word": "x"}}, {"spec.task.options": {"k" * 64: "x"}}],
    ("spec.task.options", "", "must have at most 131072 characters together"): [
        {"spec.task.options": {f"k{number}": "x" * 16_384 for number in range(8)} | {"one": "x"}},
    ],
    ("spec.trainer.cpu", ""): [{"spec.trainer.cpu": cpu} for cpu in ("0", "9m", "0.009", "10.001k")],
    ("spec.trainer.memory", ""): [{"spec.trainer.memory": size} for size in ("0", "63Mi", "67108863", "1.001Pi")],
    ("spec.trainer.cpuLimit", ""): [{"spec.trainer.cpuLimit": "10.001k"}],
    ("spec.trainer.sharedMemory", ""): [{"spec.trainer.sharedMemory": size} for size in ("0", "63Mi", "1.001Pi")],
    ("spec.trainer.ephemeralStorage", ""): [{"spec.trainer.ephemeralStorage": size} for size in ("63Mi", "1.001Pi")],
    ("spec.trainer", ".cpuLimit"): [{"spec.trainer.cpuLimit": "999m"}, {"spec.trainer.cpu": "2001m"}],
    ("spec.trainer", ".sharedMemory"): [
        {"spec.trainer.sharedMemory": "4Gi"},
        {"spec.trainer.sharedMemory": "4294967296"},
        {"spec.trainer.memory": "1Gi"},
    ],
    ("spec.trainer.nodeSelector", ""): [{"spec.trainer.nodeSelector": {"no label": "x"}}],
    ("spec.trainer.nodeSelector", "", "keys must have at most 253 characters before its slash"): [
        {"spec.trainer.nodeSelector": {"a" * 254 + "/b": "x"}}
    ],
    ("spec.trainer.tolerations.[].key", ""): [{"spec.trainer.tolerations": [{"key": "a" * 254 + "/b"}]}],
    ("spec.model.huggingFace.repository", ""): [
        {"spec.model": {"huggingFace": {"repository": name, "revision": "0" * 40}}}
        for name in ("a..b/c", "a--b/c", "a/b.git")
    ],
    **{
        (f"{place}.endpoint", "", message): [_endpoints(place, url) for url in urls]
        for place in _ENDPOINT_PLACES
        for message, urls in _ENDPOINTS.items()
    },
    ("spec.trainer.tolerations.[]", ".operator"): [{"spec.trainer.tolerations": [{"operator": "Equal"}]}],
    ("spec.trainer.tolerations.[]", ".value"): [
        {"spec.trainer.tolerations": [{"operator": "Exists", "value": "x"}]},
    ],
    ("spec.trainer.tolerations.[]", ".tolerationSeconds"): [
        {"spec.trainer.tolerations": [{"key": "a", "tolerationSeconds": 1}]},
        {"spec.trainer.tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 1}]},
    ],
}
ON_UPDATE: dict[Key, list[Changes]] = {
    ("spec", ".model"): [{"spec.model.checkpoint.trainingJob": "another"}, {"spec.model.checkpoint.select": GONE}],
    ("spec", ".algorithm"): [{"spec.algorithm.grpo.steps": 61}, {"spec.algorithm.seed": 1}],
    ("spec", ".task"): [{"spec.task.options": GONE}, {"spec.task.rewards": [{"name": "another"}]}],
    ("spec", ".evaluation"): [{"spec.evaluation": GONE}, {"spec.evaluation.questions": 1}],
    ("spec", ".database"): [{"spec.database.secretRef.name": "another"}],
    ("spec", ".checkpoints.storage"): [{"spec.checkpoints.storage.s3.prefix": "another"}],
}
ON_STATUS: dict[Key, list[Changes]] = {
    ("status", ".cost"): [{"status.cost": GONE}],
    ("status", ".cancelTime"): [{"status.cancelTime": GONE}, {"status.cancelTime": "2027-01-02T03:04:05Z"}],
    ("status.attempt.ending.committed.metrics", ""): [
        {"status.attempt.ending.committed.metrics": {"no word": "0.1"}},
    ],
    ("status.cost", ".spentUSD"): [{"status.cost.spentUSD": "1.4999"}, {"status.cost.spentUSD": GONE}],
    ("status.cost", ".settledUSD"): [{"status.cost.settledUSD": "1.249999"}, {"status.cost.settledUSD": GONE}],
}
CHECKPOINT_ON_UPDATE: dict[Key, list[Changes]] = {
    **{
        ("spec.storage.s3.endpoint", "", message): [{"spec.storage.s3.endpoint": url} for url in urls]
        for message, urls in _ENDPOINTS.items()
    },
    ("spec", ".source"): [{"spec.source.uri": "s3://bucket/b/"}, {"spec.source.digest": DIGEST[:-1] + "1"}],
    ("spec", ".storage"): [{"spec.storage.s3.bucket": "another"}, {"spec.storage.s3.region": GONE}],
}
CHECKPOINT_ON_STATUS: dict[Key, list[Changes]] = {
    ("status.metrics", ""): [{"status.metrics": {"no word": "0.1"}}],
}

# What must be possible at any time, so that no rule above is stricter than it says.
LEGAL_UPDATES: list[Changes] = [
    {"spec.budget.maxCostUSD": "30"},
    {"spec.trainer.cpu": "2"},
    {"spec.trainer.gpus": GONE},
    {"spec.checkpoints.everySteps": 5},
    {"spec.suspend": True},
    {"spec.suspend": GONE},
    {"spec.cancel": True},
    {"spec.cancel": GONE},
    {"spec.retry.maxRestarts": 0},
    {"spec.ttlSecondsAfterFinished": GONE},
    {"metadata.labels": {"a": "b"}},
]
LEGAL_STATUS_UPDATES: list[Changes] = [
    {"status.cost.spentUSD": "1.50"},
    {"status.cost.spentUSD": "10"},
    {"status.cost.openPods": GONE},
    {"status.progress": GONE},
    {"status.completionTime": TIME},
    {"status.podRef": GONE},
    {"status.stop": GONE},
    {"status.attempt": GONE},
    {"status.restarts": GONE},
]


def changed(body: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """A copy of a manifest with values at dotted places set, or removed where the value is `GONE`."""
    result = copy.deepcopy(body)
    for place, value in changes.items():
        *way, last = place.split(".")
        target = result
        for key in way:
            target = target[key]
        if value is GONE:
            del target[last]
        else:
            target[last] = value
    return result

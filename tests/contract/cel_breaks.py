"""For each CEL rule, changes to a legal manifest that break it alone. A rule that is missing here fails its test."""

from __future__ import annotations

import copy
from typing import Any

from tests.contract.bases import DIGEST, TIME

GONE = object()
"""In place of a value: the field is removed."""
Changes = dict[str, Any]

# (place of the rule, field that it names) → changes; the place as `Rule.id` writes it.
ON_CREATE: dict[tuple[str, str], list[Changes]] = {
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
        {"spec.algorithm.grpo.loss": "DR_GRPO"},
        {"spec.algorithm.grpo.maxPolicyTokens": 5},
    ],
    ("spec.algorithm.grpo", ".epsilonLow"): [
        {"spec.algorithm.grpo": {"loss": "CISPO", "steps": 5, "epsilonLow": "0.1"}}
    ],
    ("spec.algorithm.grpo", ".dualClip"): [
        {"spec.algorithm.grpo": {"loss": "CISPO", "steps": 5, "dualClip": "3"}},
        {"spec.algorithm.grpo.dualClip": "1.0"},
    ],
    ("spec.algorithm.grpo.temperature", ""): [{"spec.algorithm.grpo.temperature": "0.0"}],
    ("spec.algorithm.grpo.topP", ""): [{"spec.algorithm.grpo.topP": "0.0"}],
    ("spec.algorithm.grpo.kl.coefficient", ""): [{"spec.algorithm.grpo.kl.coefficient": "0"}],
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
    ("spec.evaluation.temperature", ""): [{"spec.evaluation.temperature": "0.0"}],
    ("spec.budget.maxCostUSD", ""): [{"spec.budget.maxCostUSD": "0.00"}],
    ("spec.task.options", ""): [{"spec.task.options": {"no word": "x"}}, {"spec.task.options": {"k" * 64: "x"}}],
    ("spec.trainer.nodeSelector", ""): [{"spec.trainer.nodeSelector": {"no label": "x"}}],
    ("spec.trainer.tolerations.[]", ".operator"): [{"spec.trainer.tolerations": [{"operator": "Equal"}]}],
    ("spec.trainer.tolerations.[]", ".value"): [
        {"spec.trainer.tolerations": [{"operator": "Exists", "value": "x"}]},
    ],
    ("spec.trainer.tolerations.[]", ".tolerationSeconds"): [
        {"spec.trainer.tolerations": [{"key": "a", "tolerationSeconds": 1}]},
        {"spec.trainer.tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 1}]},
    ],
}
ON_UPDATE: dict[tuple[str, str], list[Changes]] = {
    ("spec", ".model"): [{"spec.model.checkpoint.trainingJob": "another"}, {"spec.model.checkpoint.select": GONE}],
    ("spec", ".algorithm"): [{"spec.algorithm.grpo.steps": 61}, {"spec.algorithm.seed": 1}],
    ("spec", ".task"): [{"spec.task.options": GONE}, {"spec.task.rewards": [{"name": "another"}]}],
    ("spec", ".evaluation"): [{"spec.evaluation": GONE}, {"spec.evaluation.questions": 1}],
    ("spec", ".database"): [{"spec.database.secretRef.name": "another"}],
    ("spec", ".checkpoints.storage"): [{"spec.checkpoints.storage.s3.prefix": "another"}],
}
ON_STATUS: dict[tuple[str, str], list[Changes]] = {
    ("status", ".cost"): [{"status.cost": GONE}],
    ("status.cost", ".spentUSD"): [{"status.cost.spentUSD": "1.4999"}, {"status.cost.spentUSD": GONE}],
    ("status.cost", ".settledUSD"): [{"status.cost.settledUSD": "1.249999"}, {"status.cost.settledUSD": GONE}],
}
CHECKPOINT_ON_UPDATE: dict[tuple[str, str], list[Changes]] = {
    ("spec", ".source"): [{"spec.source.uri": "s3://bucket/b/"}, {"spec.source.digest": DIGEST[:-1] + "1"}],
    ("spec", ".storage"): [{"spec.storage.s3.bucket": "another"}, {"spec.storage.s3.region": GONE}],
}
CHECKPOINT_ON_STATUS: dict[tuple[str, str], list[Changes]] = {
    ("status.metrics", ""): [{"status.metrics": {"no word": "0.1"}}],
}

# What must be possible at any time, so that no rule above is stricter than it says.
LEGAL_UPDATES: list[Changes] = [
    {"spec.budget.maxCostUSD": "30"},
    {"spec.trainer.cpu": "2"},
    {"spec.trainer.gpus": GONE},
    {"spec.checkpoints.everySteps": 5},
    {"metadata.labels": {"a": "b"}},
]
LEGAL_STATUS_UPDATES: list[Changes] = [
    {"status.cost.spentUSD": "1.50"},
    {"status.cost.spentUSD": "10"},
    {"status.cost.openPods": GONE},
    {"status.progress": GONE},
    {"status.completionTime": TIME},
    {"status.podRef": GONE},
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

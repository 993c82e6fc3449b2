"""Legal manifests that together hold every field of both kinds: what the contract's tests break, one rule at a time."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

EXAMPLES = Path(__file__).parents[2] / "crds/examples"
DIGEST = "sha256:" + "0" * 64
TIME = "2026-01-02T03:04:05Z"
S3 = {"bucket": "bucket", "prefix": "a/b", "endpoint": "http://s3:7070", "region": "eu-1", "secretRef": {"name": "s"}}


def example(name: str) -> dict[str, Any]:
    """A manifest of crds/examples, the caller's own to change."""
    return copy.deepcopy(_example(name))


@cache
def _example(name: str) -> dict[str, Any]:
    return yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())


def training_jobs() -> list[dict[str, Any]]:
    """TrainingJobs without status, each with another model; all fields of the spec occur; copies."""
    return copy.deepcopy(_training_jobs())


@cache
def _training_jobs() -> list[dict[str, Any]]:
    full = example("full")
    full["metadata"]["namespace"] = "default"
    full["spec"] |= {"suspend": False, "cancel": False}
    full["spec"]["task"]["options"] = {"digits": "2"}
    full["spec"]["trainer"]["nodeSelector"] = {"zone": "a"}
    sft = {"type": "SFT", "seed": 1, "sft": {"steps": 5, "batchSize": 2, "learningRate": "1e-5"}}
    scratch = {"architecture": "Qwen3", "hiddenSize": 64, "layers": 2, "attentionHeads": 4, "keyValueHeads": 2}
    hub = {"repository": "org/name", "revision": "0" * 40, "endpoint": "http://hub:80", "secretRef": {"name": "hub"}}
    dr_grpo = {"type": "GRPO", "grpo": {"loss": "DrGRPO", "steps": 5, "maxPolicyTokens": 64}}
    return [
        full,
        _with_model(full, {"scratch": scratch | {"headDim": 16, "intermediateSize": 128}}, sft),
        _with_data(_with_model(full, {"s3": S3}, dr_grpo), {"path": "/data/train.jsonl"}),
        _with_data(_with_model(full, {"path": "/model"}), {"s3": S3}),
        _with_model(full, {"checkpoint": {"name": "a-checkpoint"}}),
        _with_model(full, {"huggingFace": hub}),
        _evaluation(full),
    ]


def training_job_status() -> dict[str, Any]:
    """A TrainingJob's status with every field."""
    checkpoint = {"step": 3, "uri": "s3://bucket/a/", "digest": DIGEST}
    return {
        "conditions": [_condition("Succeeded")],
        "observedGeneration": 1,
        "attempts": 1,
        **_control(),
        "jobRef": {"name": "full-1"},
        "podRef": {"name": "full-1-abc", "uid": "uid-1"},
        "modelRef": {"checkpoint": "a-checkpoint", "uid": "uid-2", "digest": DIGEST},
        "baselineRef": {"checkpoint": "another", "uid": "uid-3", "digest": DIGEST},
        "startTime": TIME,
        "completionTime": TIME,
        "progress": {
            "phase": "rollout",
            "step": 3,
            "steps": "3/60",
            "percent": 5,
            "reward": "0.5",
            "loss": "-0.1",
            "tokensPerSecond": 10,
            "estimatedRemainingSeconds": 10,
            "evaluation": evaluation(),
            "validation": {"step": 3, "successRate": "0.4", "bestStep": 2, "bestSuccessRate": "0.5"},
            "sampler": {"kind": "Slots", "message": "agrees to 1e-5"},
            "lastCheckpoint": checkpoint,
            "bestCheckpoint": checkpoint,
            "saveSeconds": "0.25",
            "lastReportTime": TIME,
        },
        "cost": {
            "spentUSD": "1.5",
            "settledUSD": "1.25",
            "droppedUSD": "0.25",
            "ratePerHourUSD": "2",
            "projectedUSD": "3",
            "openPods": [
                {"uid": "uid-1", "name": "full-1-abc", "boundTime": TIME, "endTime": TIME, "ratePerHourUSD": "2"}
            ],
            "settledPods": [
                {"uid": "uid-0", "name": "full-0-abc", "boundTime": TIME, "endTime": TIME, "ratePerHourUSD": "2"}
            ],
        },
        "budget": {"limitUSD": "25.00", "source": "Spec"},
        "latestCheckpointRef": {"name": "a-checkpoint"},
        "bestCheckpointRef": {"name": "a-checkpoint"},
    }


def _control() -> dict[str, Any]:
    """What the operator remembers of attempts and stops, with every field."""
    return {
        "attempt": {
            "number": 1,
            "jobRef": {"name": "full-1", "uid": "uid-4"},
            "firstStartTime": TIME,
            "trainerDigest": "0a",
            "ending": {
                "reason": "Stopped",
                "message": "it was told to",
                "time": TIME,
                "success": False,
                "final": False,
                "counts": False,
                "step": 3,
                "committedUri": "s3://bucket/a/",
                "committed": {
                    "uri": "s3://bucket/a/",
                    "digest": DIGEST,
                    "step": 3,
                    "updates": 1,
                    "sizeBytes": 10,
                    "metrics": {"reward_mean": "0.5"},
                    "unwrittenRows": 2,
                },
            },
        },
        "restarts": {
            "attempt": 1,
            "crashes": 1,
            "interruptions": 2,
            "inARow": 3,
            "checkpointUri": "s3://bucket/a/",
            "outOfMemoryStep": 3,
            "nextTime": TIME,
            "heldFor": "0a",
            "heldGeneration": 3,
            "heldReason": "OutOfMemory",
        },
        "stop": {"cause": "Suspended", "time": TIME, "attempt": 1},
        "cancelTime": TIME,
        "clearedTime": TIME,
    }


def evaluation() -> dict[str, Any]:
    """A measurement before and after, with every field."""
    before = {"successRate": "0.1", "avgReward": "0.1", "avgSteps": "1.5", "toolAccuracy": "0.9", "failed": 1}
    return {
        "questions": 512,
        "before": before,
        "after": before | {"successRate": "0.9"},
        "difference": "0.8",
        "intervalLow": "0.7",
        "intervalHigh": "0.9",
        "pValue": "0.0001",
        "test": "McNemar",
        "verdict": "Improved",
    }


def checkpoint() -> dict[str, Any]:
    """A Checkpoint without status."""
    return {
        "apiVersion": "trainyard.dev/v1alpha1",
        "kind": "Checkpoint",
        "metadata": {"name": "a-checkpoint", "namespace": "default"},
        "spec": {"source": {"uri": "s3://bucket/a/", "digest": DIGEST}, "storage": {"s3": S3}},
    }


def checkpoint_status() -> dict[str, Any]:
    """A Checkpoint's status with every field."""
    return {
        "conditions": [_condition("Ready")],
        "uri": "s3://bucket/a/",
        "digest": DIGEST,
        "step": 3,
        "size": "612Ki",
        "reward": "0.5",
        "metrics": {"loss": "0.1"},
        "updates": 1,
        "evaluation": evaluation(),
        "parentRef": {"name": "another"},
        "trainingJobRef": {"name": "full", "uid": "uid-1"},
    }


def _condition(kind: str) -> dict[str, Any]:
    words = {"type": kind, "status": "True", "reason": "Completed", "message": "All steps are done."}
    return words | {"lastTransitionTime": TIME, "observedGeneration": 1}


def _with_model(base: dict[str, Any], model: dict[str, Any], algorithm: dict[str, Any] | None = None) -> dict[str, Any]:
    result = copy.deepcopy(base)
    result["spec"]["model"] = model
    result["spec"]["algorithm"] = algorithm or result["spec"]["algorithm"]
    return result


def _with_data(base: dict[str, Any], train: dict[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(base)
    result["spec"]["task"]["data"] = {"train": train, "validation": train, "test": train}
    return result


def _evaluation(base: dict[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(base)
    result["spec"]["algorithm"] = {"type": "Evaluation", "seed": 1}
    result["spec"]["evaluation"] = {"baseline": {"checkpoint": "another"}}
    return result

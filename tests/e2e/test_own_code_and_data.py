"""What users bring themselves: rewards from a ConfigMap, queries from a ConfigMap, a comparison of two checkpoints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hack.kubectl import Kubectl, condition
from tests.e2e.manifests import NAMESPACE, example, short_sft
from tests.e2e.waiting import apply, ended, job

pytestmark = pytest.mark.e2e

MODULE = """
def spoken(trajectory):
    return 0.25 + 0.5 * bool(trajectory.turns)
"""
QUERIES = [
    {"query": f"{left}+{right}=", "expected_outcome": str(left + right)} for left in range(20) for right in range(20)
]


def _config_map(name: str, files: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": files}


def _two_steps(name: str, **changes: Any) -> dict[str, Any]:
    small = {"spec__algorithm__grpo__steps": 2, "spec__evaluation": None, "spec__model": {"scratch": {}}}
    return example("calculator-grpo", metadata__name=name, **(small | changes))


def test_a_reward_of_ones_own_scores_in_the_pod(clean: Kubectl) -> None:
    """The ConfigMap's module is mounted, its function found by name and called for every trajectory."""
    own = {"name": "calculator", "rewards": [{"name": "spoken"}], "module": {"name": "my-task", "key": "my_task.py"}}
    apply(clean, _config_map("my-task", {"my_task.py": MODULE}), _two_steps("own-reward", spec__task=own))
    found = ended(clean, "own-reward")
    assert condition(found, "Succeeded")["reason"] == "Completed", found["status"]
    assert found["status"]["progress"]["reward"] == "0.7500"
    assert condition(found, "SamplerVerified")["status"] == "True"
    assert condition(found, "StopGraceSufficient")["reason"] == "SavesInTime"


def test_queries_of_ones_own_are_asked_and_broken_ones_named(clean: Kubectl) -> None:
    """Lines of a ConfigMap are the training queries; a broken line ends the job before any work, by its number."""
    lines = [json.dumps(query) for query in QUERIES]
    good, broken = "\n".join(lines), "\n".join([*lines[:3], "{no json", *lines[3:]])
    apply(clean, _config_map("queries", {"good.jsonl": good, "broken.jsonl": broken}))
    for name in ("good", "broken"):
        source = {"configMap": {"name": "queries", "key": f"{name}.jsonl"}}
        options = {"dialogue": "text", "alphabet": "0123456789+=;", "stop": ";", "max_turn_tokens": "8"}
        task = {"name": "qa", "rewards": [{"name": "exact"}], "options": options, "data": {"train": source}}
        apply(clean, _two_steps(f"data-{name}", spec__task=task))
    good_end, broken_end = (ended(clean, f"data-{name}") for name in ("good", "broken"))
    assert condition(good_end, "Succeeded")["reason"] == "Completed", good_end["status"]
    stalled = condition(broken_end, "Stalled")
    assert stalled["reason"] == "InvalidData"
    assert "spec.task.data.train: " in stalled["message"]
    assert "line 4" in stalled["message"]


def test_a_comparison_of_two_checkpoints_is_written_onto_the_measured_one(clean: Kubectl) -> None:
    """A job that trains nothing: measured against a named baseline, the result on job and Checkpoint alike."""
    apply(clean, short_sft("measured"))
    ended(clean, "measured")
    checkpoint = job(clean, "measured")["status"]["latestCheckpointRef"]["name"]
    compare = example(
        "calculator-grpo",
        metadata__name="compare",
        spec__model={"checkpoint": {"name": checkpoint}},
        spec__algorithm={"type": "Evaluation", "seed": 1},
        spec__evaluation={"questions": 64, "baseline": {"checkpoint": checkpoint}},
    )
    apply(clean, compare)
    found = ended(clean, "compare")
    assert condition(found, "Succeeded")["reason"] == "Completed", found["status"]
    measured = found["status"]["progress"]["evaluation"]
    assert (measured["questions"], float(measured["difference"])) == (64, 0.0)
    assert measured["verdict"] == "NoEvidence"
    stored = clean.json("get", "checkpoints.trainyard.dev", checkpoint, "-n", NAMESPACE)
    assert stored["status"]["evaluation"] == measured
    assert "latestCheckpointRef" not in found["status"]
